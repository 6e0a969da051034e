"""Encoders as the techniques see them: how to load one, what it answers, where its layers are, what its weights are."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import ModelOutput

from encoder_compression.errors import UserError

SAFE = {"local_files_only": True, "trust_remote_code": False}


def load_model(folder: Path) -> PreTrainedModel:
    """Return the encoder of a folder with the head that it was saved with; only safetensors weights are read."""
    return add_head(folder, auto_class(folder), {})


def auto_class(folder: Path) -> str:
    """Return the class of transformers that loads a folder with its head, such as AutoModelForQuestionAnswering."""
    (architecture,) = json.loads((Path(folder) / "config.json").read_text())["architectures"]
    return f"AutoModel{architecture[architecture.index('For') :]}"


def add_head(folder: Path, auto_class: str, head: dict) -> PreTrainedModel:
    """Return the encoder of a folder with a head of the class, a new random one where it has none such.

    ``head`` goes to ``from_pretrained``, for example ``{"num_labels": 2}``.
    """
    return getattr(transformers, auto_class).from_pretrained(folder, use_safetensors=True, **SAFE, **head)


def logits(out: ModelOutput) -> torch.Tensor:
    """Return what a model answers: logits [batch, classes], or of a span's start and end [batch, 2, length]."""
    return out["logits"] if "logits" in out else torch.stack([out["start_logits"], out["end_logits"]], dim=1)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer that lies beside a model."""
    return AutoTokenizer.from_pretrained(folder, **SAFE)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer in Hugging Face format, safetensors only."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def layer_stack(model: PreTrainedModel) -> torch.nn.Module:
    """Return the module whose ``layer`` is the list of transformer layers."""
    base = model.base_model
    for name in ("encoder", "transformer"):  # BERT, RoBERTa, ELECTRA, MPNet; DistilBERT
        if hasattr(getattr(base, name, None), "layer"):
            return getattr(base, name)
    raise UserError(f"unknown architecture '{model.config.model_type}'; BERT, RoBERTa, DistilBERT, ELECTRA and MPNet are known")


@dataclass(frozen=True)
class Block:
    """The linear layers of a transformer layer that read its heads, make its neurons and read its neurons."""

    attention_output: torch.nn.Linear
    expansion: torch.nn.Linear
    contraction: torch.nn.Linear


BLOCKS = (  # their names in BERT, RoBERTa and ELECTRA; DistilBERT; MPNet
    ("attention.output.dense", "intermediate.dense", "output.dense"),
    ("attention.out_lin", "ffn.lin1", "ffn.lin2"),
    ("attention.attn.o", "intermediate.dense", "output.dense"),
)


def blocks(model: PreTrainedModel) -> list[Block]:
    """Return what structured pruning cuts, layer by layer."""
    layers = [dict(layer.named_modules()) for layer in layer_stack(model).layer]
    names = next(names for names in BLOCKS if set(names) <= set(layers[0]))
    return [Block(*(layer[name] for name in names)) for layer in layers]


def encoder_linears(model: PreTrainedModel) -> dict[str, torch.nn.Linear]:
    """Return the linear layers inside the transformer layers by name: attention and feed-forward, no head, no pooler."""
    return {name: module for name, module in layer_stack(model).named_modules() if isinstance(module, torch.nn.Linear)}


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
