"""What a model's safetensors file holds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from encoder_compression.encoders import encoder_facts, removed_heads
from encoder_compression.export import quantized_weights


def stored(artifact: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, number format, array) of all tensors; weights of four bits one by one, and not as the bytes that they are packed in."""
    tensors = load_file(Path(artifact) / "model.safetensors")
    for name in tensors:
        yield name, quantized_weights.number_format(name, tensors), quantized_weights.unpacked(name, tensors)


def arrays(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the parameters: of all tensors but scales, without the zeros in place of removed attention heads."""
    removed, heads = removed_heads.read(artifact), encoder_facts.attention_heads(artifact)
    for name, _, values in stored(artifact):
        if quantized_weights.is_parameter(name):
            yield name, removed_heads.without(name, values, removed, heads)
