"""Weights of 8 or 4 bits for PyTorch, by transformers' own quantizers, in a folder that `from_pretrained` loads by itself."""

import tempfile
from pathlib import Path

import torch
from torch.nn.functional import pad
from transformers import BitsAndBytesConfig, PreTrainedModel, TorchAoConfig

from encoder_compression.data import features
from encoder_compression.encoders import encoder_facts, pretrained, removed_heads
from encoder_compression.encoders.quantization_config import BLOCK
from encoder_compression.quantization import blocks

TOLERANCE = 1e-6  # of logits of the model as it was quantized and as its file gives it back


def quantize(*, parent: Path, dataset: Path, options: dict, output: Path) -> dict:
    """Write the model with quantized weights in the layers of its encoder, and its tokenizer; returns facts about it.

    Embeddings, pooler and head keep every bit. Method "bitsandbytes" stores NF4 or FP4 with a scale for every 64 weights
    (Dettmers et al. 2023), or 8 bits with a scale per output and outliers of activations in float (LLM.int8(), Dettmers et al. 2022);
    "torchao" stores 8 bits with a scale per output. The artifact has all attention heads, removed ones as zeros. Neurons of
    zeros fill the blocks of 4 bits. ``dataset`` gives the inputs of a check, of validation. Raises UserError where the rows of a
    layer cannot be whole blocks, and RuntimeError where the file gives other logits than it was made from.
    """
    parent, tokenizer = Path(parent), encoder_facts.load_tokenizer(parent)
    network = pretrained.load_plain(parent, dtype=torch.float32)
    if hasattr(network.config, removed_heads.KEY):
        delattr(network.config, removed_heads.KEY)  # they are computed here, as zeros
    added = _fill_blocks(network) if options["bits"] == 4 else 0
    quantized = _quantized(network, options)
    quantized.save_pretrained(output)
    tokenizer.save_pretrained(output)
    batch = tokenizer.pad(features.read(dataset, "validation")[:8].to_pydict(), return_tensors="pt")
    reloaded = pretrained.load_on(output, hardware="cpu", dtype=torch.float32)
    if (difference := _difference(quantized, reloaded, batch)) > TOLERANCE:
        raise RuntimeError(f"the saved model differs from the quantized one by {difference:.2g} in its logits")
    return {
        "quantized_layers": len(pretrained.encoder_linears(reloaded)),
        "added_neurons": added,
        "logits_move_by": _difference(network, reloaded, batch),
    }


def _quantized(network: PreTrainedModel, options: dict) -> PreTrainedModel:
    """Return another model with the weights of the network, quantized."""
    pretrained.allow_quantizer(options["method"])
    inside = set(pretrained.encoder_linears(network).values())
    linears = [(name, module) for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    outside = [name for name, module in linears if module not in inside]
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        config = CONFIGS[options["method"]](options, outside)
        return pretrained.load_plain(Path(folder), dtype=torch.float32, device_map={"": "cpu"}, quantization_config=config).eval()


def _of_bitsandbytes(options: dict, outside: list[str]) -> BitsAndBytesConfig:
    if options["bits"] == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=float(options["threshold"]), llm_int8_skip_modules=outside)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=options["type"],
        bnb_4bit_use_double_quant=options["double"],
        llm_int8_skip_modules=outside,
    )


def _of_torchao(options: dict, outside: list[str]) -> TorchAoConfig:
    from torchao.quantization import (  # takes seconds, and was not allowed before
        Int8DynamicActivationInt8WeightConfig,
        Int8WeightOnlyConfig,
    )

    kind = Int8DynamicActivationInt8WeightConfig if options["activations"] == "int8" else Int8WeightOnlyConfig
    return TorchAoConfig(quant_type=kind(), modules_to_not_convert=outside)


CONFIGS = {"bitsandbytes": _of_bitsandbytes, "torchao": _of_torchao}


def _fill_blocks(network: PreTrainedModel) -> int:
    """Add neurons of zeros to each layer, in place, until its rows are whole blocks; returns how many each layer got.

    They answer what they are multiplied with: by zero. The logits stay what they are, and structured pruning leaves widths of any
    multiple of 8, for which bitsandbytes 0.50.2 gives wrong weights on the CPU.
    """
    architecture = pretrained.architecture(network)
    missing = [-block.contraction.in_features % BLOCK for block in pretrained.blocks(network)]
    for block, count in zip(pretrained.blocks(network), missing, strict=True):
        parts = 2 if architecture.gated else 1
        _add_outputs(block.expansion, count, parts)
        block.contraction.weight = torch.nn.Parameter(pad(block.contraction.weight.data, (0, count)))
        block.contraction.in_features += count
    setattr(network.config, architecture.neurons_key, getattr(network.config, architecture.neurons_key) + missing[0])
    blocks.require_whole(pretrained.encoder_linears(network), "bits: 4", "take bits: 8")
    return missing[0]


def _add_outputs(linear: torch.nn.Linear, count: int, parts: int) -> None:
    """Add so many outputs of zero behind each of the equal parts of a linear layer, in place."""
    for name, parameter in list(linear.named_parameters()):
        rows = parameter.data.reshape(parts, linear.out_features // parts, -1)
        shape = (parts * (rows.shape[1] + count), *parameter.shape[1:])
        setattr(linear, name, torch.nn.Parameter(pad(rows, (0, 0, 0, count)).reshape(shape)))
    linear.out_features += parts * count


def _difference(model: PreTrainedModel, other: PreTrainedModel, batch: dict[str, torch.Tensor]) -> float:
    """Return the largest difference of logits between two models on a batch."""
    with torch.inference_mode():
        return (pretrained.logits(model.eval()(**batch)) - pretrained.logits(other.eval()(**batch))).abs().max().item()
