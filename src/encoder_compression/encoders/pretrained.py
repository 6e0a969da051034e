"""Encoders as the techniques see them: how to load one, what it answers, where its layers are, what its weights are."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase
from transformers.quantizers import quantizer_torchao
from transformers.utils import ModelOutput, import_utils

from encoder_compression.encoders import quantization_config, removed_heads, static_model
from encoder_compression.encoders.architectures import ARCHITECTURES, ROLES, Architecture
from encoder_compression.encoders.encoder_facts import SAFE, load_config
from encoder_compression.encoders.safety import CONFIG, read_json
from encoder_compression.errors import UserError
from encoder_compression.run import environment

static_model.register()


def load_model(folder: Path) -> PreTrainedModel:
    """Return the encoder of a folder with the head that it was saved with; only safetensors weights are read."""
    return add_head(folder, auto_class(folder), {})


def class_for(task: str) -> str:
    """Return the class of transformers with the head for a task of the hub, such as "text-classification"."""
    from optimum.exporters.tasks import TasksManager

    return TasksManager.get_model_class_for_task(task).__name__


def auto_class(folder: Path) -> str:
    """Return the class of transformers that loads a folder with its head, such as AutoModelForQuestionAnswering."""
    architecture = (load_config(folder).architectures or [""])[0]
    if "For" not in architecture:
        raise UserError(f"{folder}/config.json names no model with a head under 'architectures'; delete the folder and run the workflow")
    return f"AutoModel{architecture[architecture.index('For') :]}"


def load_plain(folder: Path, **more) -> PreTrainedModel:
    """Return the model of a folder as plain transformers loads it, removed heads as zeros; ``more`` goes to ``from_pretrained``."""
    return getattr(transformers, auto_class(folder)).from_pretrained(folder, use_safetensors=True, **SAFE, **more)


def load_on(folder: Path, *, hardware: str, dtype: torch.dtype) -> PreTrainedModel:
    """Return the model of a folder on "cpu" or "cuda" with its floating-point weights in ``dtype``; quantized ones stay what they are."""
    library = quantization_config.library(read_json(Path(folder) / CONFIG))
    if library is None:
        return load_model(folder).to(hardware, dtype)
    allow_quantizer(library)
    model = load_plain(folder, dtype=torch.float32, device_map={"": hardware})
    # asked for another format, transformers 5.24.0 would leave weights beside bitsandbytes' own in float32, and cast their biases
    for tensor in (each for each in (*model.parameters(), *model.buffers()) if each.is_floating_point()):
        if type(tensor) in (torch.nn.Parameter, torch.Tensor):  # torchao's are classes of their own
            tensor.data = tensor.data.to(dtype)
    for layer in (module for module in model.modules() if hasattr(module, "compute_dtype")):
        layer.compute_dtype = dtype  # of products with 4-bit weights; the file names float32
    return model


def allow_quantizer(library: str) -> None:
    """Let this process import a library of quantized weights, without the line that bitsandbytes would print at each product.

    transformers asks once whether a library is there, and that may have been while it was blocked.
    """
    environment.allow_import(library)
    getattr(import_utils, f"is_{library}_available").cache_clear()
    if library == "torchao":
        importlib.reload(quantizer_torchao)  # which imports torchao where it is there
    logging.getLogger(library).setLevel(logging.ERROR)


def add_head(folder: Path, auto_class: str, head: dict) -> PreTrainedModel:
    """Return the encoder of a folder with a head of the class, a new random one where it has none such.

    ``head`` goes to ``from_pretrained``, for example ``{"num_labels": 2}``. Weights become float32. Attention heads that the
    files hold as zeros are physically gone.
    """
    model = getattr(transformers, auto_class).from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **SAFE, **head)
    return _without_removed_heads(model)


def with_new_head(folder: Path, auto_class: str, head: dict) -> PreTrainedModel:
    """Return the encoder of a folder with a new random head of the class, whatever head the folder has."""
    config = AutoConfig.from_pretrained(folder, **SAFE, **head)
    model = getattr(transformers, auto_class).from_config(config, dtype=torch.float32)
    encoder = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **SAFE)
    model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    return _without_removed_heads(model)


def lacks_head(folder: Path, auto_class: str, head: dict) -> bool:
    """Return whether a head of the class would be a random one, as the folder has no weights for it."""
    _, info = getattr(transformers, auto_class).from_pretrained(folder, use_safetensors=True, output_loading_info=True, **SAFE, **head)
    return bool(info["missing_keys"])


def without_adapter(model: torch.nn.Module) -> PreTrainedModel:
    """Return the transformers model inside a PeftModel, its layers with their adapters; any other model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@contextmanager
def head_at(model: PreTrainedModel, chosen: torch.Tensor) -> Iterator[None]:
    """Let the head see only the tokens where ``chosen`` [batch, length] is true, so that its logits are [1, their number, …].

    A head over a vocabulary costs more than a small encoder, and most of its answers would be thrown away. Hidden states that
    are asked for are those of all tokens.
    """

    def pick(module, inputs, out):
        out["last_hidden_state"] = out["last_hidden_state"][chosen][None]
        return out

    hook = without_adapter(model).base_model.register_forward_hook(pick)
    try:
        yield
    finally:
        hook.remove()


def logits(out: ModelOutput) -> torch.Tensor:
    """Return a model's logits [batch, classes], [batch, length, vocabulary], or of a span's start and end [batch, 2, length]."""
    return out["logits"] if "logits" in out else torch.stack([out["start_logits"], out["end_logits"]], dim=1)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model, or a PeftModel's adapter, and the tokenizer in Hugging Face format, with zeros for removed attention heads."""
    config = without_adapter(model).config
    removed, heads = removed_heads.of_config(config.to_dict()), config.num_attention_heads
    state = {name: removed_heads.with_zeros(name, tensor, removed, heads) for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    tokenizer.save_pretrained(folder)


def remove_heads(model: PreTrainedModel, removed: dict[int, list[int]]) -> None:
    """Take attention heads out of a model's matrices, by layer from 0, and name them in its config, in place."""
    setattr(model.config, removed_heads.KEY, {str(layer): list(gone) for layer, gone in removed.items() if gone})
    _without_removed_heads(model)


def _without_removed_heads(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model, of full shape until now, without the heads that its config names."""
    heads, removed = model.config.num_attention_heads, removed_heads.of_config(model.config.to_dict())
    if not removed:  # as of a static model, which has no layers
        return model
    adapter, shape = architecture(model), {"heads": heads, "width": model.config.hidden_size // heads}
    for number, gone in removed.items():
        layer = layers(model)[int(number)]
        modules = dict(layer.named_modules())
        for path, parts in adapter.per_head.items():
            if path in modules:
                keep_outputs(modules[path], torch.tensor(removed_heads.entries(gone, **shape, parts=parts)))
        keep_inputs(modules[adapter.attention_output], torch.tensor(removed_heads.entries(gone, **shape, parts=1)))
        if adapter.heads_attribute:
            owner, _, attribute = adapter.heads_attribute.rpartition(".")
            setattr(modules[owner], attribute, heads - len(gone))
    return model


def keep_outputs(linear: torch.nn.Linear, kept: torch.Tensor) -> None:
    """Take all outputs but the ``kept`` ones out of a linear layer, in place."""
    linear.weight = torch.nn.Parameter(linear.weight.data[kept])
    if linear.bias is not None:
        linear.bias = torch.nn.Parameter(linear.bias.data[kept])
    linear.out_features = len(kept)


def keep_inputs(linear: torch.nn.Linear, kept: torch.Tensor) -> None:
    """Take all inputs but the ``kept`` ones out of a linear layer, in place."""
    linear.weight = torch.nn.Parameter(linear.weight.data[:, kept])
    linear.in_features = len(kept)


def architecture(model: PreTrainedModel) -> Architecture:
    """Return the adapter of a model's architecture."""
    return ARCHITECTURES[model.config.model_type]


def layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    """Return the transformer layers of a model, or of the one inside a PeftModel."""
    return without_adapter(model).base_model.get_submodule(architecture(model).layers)


def keep_layers(model: PreTrainedModel, kept: list[torch.nn.Module]) -> None:
    """Let a model compute these of its transformer layers alone, in place; its config is not changed."""
    model.base_model.set_submodule(architecture(model).layers, torch.nn.ModuleList(kept))


def has_module(model: PreTrainedModel, path: str | None) -> bool:
    """Return whether the encoder of a model has a module at the path."""
    return path in dict(model.base_model.named_modules())


@dataclass(frozen=True)
class Block:
    """The linear layers of a transformer layer: those before its heads, the one that reads them, makes its neurons, reads its neurons.

    ``query``, ``key`` and ``value`` are one and the same where a single matrix gives all three, as in ModernBERT.
    """

    query: torch.nn.Linear
    key: torch.nn.Linear
    value: torch.nn.Linear
    attention_output: torch.nn.Linear
    expansion: torch.nn.Linear
    contraction: torch.nn.Linear


def blocks(model: PreTrainedModel) -> list[Block]:
    """Return the linear layers of every transformer layer."""
    paths = architecture(model).linears
    return [Block(*(layer.get_submodule(paths[role]) for role in ROLES)) for layer in layers(model)]


@contextmanager
def queries_keys_values(model: PreTrainedModel) -> Iterator[list[torch.Tensor]]:
    """Keep what the last layer's queries, keys and values [batch, length, width] are in the next forward pass, in this order.

    DeBERTa asks the same modules again, for relative positions; those answers are not kept.
    """
    last, kept = blocks(model)[-1], []
    parts = 3 if architecture(model).fused else 1

    def keep(module, inputs, output):
        kept.extend(output.chunk(parts, dim=-1) if len(kept) < 3 else ())

    hooks = [linear.register_forward_hook(keep) for linear in dict.fromkeys((last.query, last.key, last.value))]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


TARGETS = {  # what a linear layer of a Block is there for
    "query": ("query",),
    "key": ("key",),
    "value": ("value",),
    "output": ("attention_output",),
    "feed_forward": ("expansion", "contraction"),
}


def linears_by_role(model: PreTrainedModel, roles: list[str] | str) -> list[str]:
    """Return the names, within ``model``, of the linear layers that have one of the roles: keys of TARGETS, or "all" of them."""
    chosen = TARGETS if roles == "all" else roles
    wanted = {getattr(block, layer) for block in blocks(model) for role in chosen for layer in TARGETS[role]}
    return [name for name, module in model.named_modules() if module in wanted]


def head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of what stands behind the last layer, is made for the task, and may have been drawn at random: the pooler too."""
    pooler = [f"{model.base_model_prefix}.pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    behind = [name for name, child in model.named_children() if child is not model.base_model and any(True for _ in child.parameters())]
    return pooler + behind


def encoder_linears(model: PreTrainedModel) -> dict[str, torch.nn.Linear]:
    """Return the linear layers inside the transformer layers by name: attention and feed-forward, no head, no pooler."""
    modules = ((f"layer.{index}.{name}", module) for index, layer in enumerate(layers(model)) for name, module in layer.named_modules())
    return {name: module for name, module in modules if isinstance(module, torch.nn.Linear)}


def parts(model: PreTrainedModel, names: list[str]) -> dict[str, torch.nn.Module]:
    """Return the modules with the matrices of some parts by name: "encoder", "embeddings" (of words) and "head"."""
    inside = set(model.base_model.modules())
    head = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module not in inside}
    found = {"encoder": encoder_linears(model), "embeddings": {"embeddings": model.get_input_embeddings()}, "head": head}
    return {name: module for part in names for name, module in found[part].items()}


def count_zeros(model: PreTrainedModel, names: list[str]) -> dict[str, int]:
    """Return how many weights the matrices of some parts have, and how many of them are exactly zero."""
    weights = [module.weight for module in parts(model, names).values()]
    return {
        "weights": sum(weight.numel() for weight in weights),
        "zeros": sum(int((weight == 0).sum()) for weight in weights),
    }
