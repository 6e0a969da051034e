"""An encoder whose frozen weights are held in 4 bits while updates beside them are trained (QLoRA, Dettmers et al. 2023)."""

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit, Params4bit

from encoder_compression.encoders import pretrained
from encoder_compression.encoders.quantization_config import BLOCK
from encoder_compression.quantization import blocks


def hold(network: torch.nn.Module) -> None:
    """Put the weights of the encoder's linear layers, in place, into NF4 with scales that are quantized too (sections 3.1 and 3.2).

    What multiplies them is float32, or what autocast makes of it. Raises UserError where the rows of a layer are not whole blocks
    of weights that share a scale: on the CPU the library would read the wrong scales for them.
    """
    blocks.require_whole(pretrained.encoder_linears(network), "qlora", "take 'qlora' out")
    for layer in pretrained.encoder_linears(network).values():
        held = Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=torch.float32,
            quant_type="nf4",
            compress_statistics=True,
        )
        held.weight = Params4bit(
            layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True, blocksize=BLOCK, module=held
        )
        held.bias = layer.bias
        held.support_avx512bf16_for_cpu = False  # or the first validation would round the scales, for good
        _put(network, layer, held.to(layer.weight.device))  # moving it quantizes it


def release(network: torch.nn.Module) -> None:
    """Put plain linear layers, in place, where `hold` put others, with the float32 weights that the 4 bits stand for."""
    for layer in [layer for layer in network.modules() if isinstance(layer, Linear4bit)]:
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        plain.weight.data = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
        plain.bias = layer.bias
        _put(network, layer, plain)


def _put(network: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module) -> None:
    name = next(name for name, module in network.named_modules() if module is old)
    network.set_submodule(name, new)
