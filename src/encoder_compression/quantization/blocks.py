"""Weights that share a scale: bitsandbytes cuts the rows of a matrix into whole blocks of them, or gives wrong ones back."""

import torch

from encoder_compression.encoders.quantization_config import BLOCK
from encoder_compression.errors import UserError


def require_whole(linears: dict[str, torch.nn.Linear], asked: str, remedy: str) -> None:
    """Raise UserError where the rows of a linear layer are not whole blocks: bitsandbytes 0.50.2 reads wrong scales for them on the CPU.

    ``asked`` is the option that needs them, ``remedy`` what to do.
    """
    for name, layer in linears.items():
        if layer.in_features % BLOCK:
            raise UserError(f"{asked}: the rows of {name} have {layer.in_features} weights, not whole blocks of {BLOCK}; {remedy}")
