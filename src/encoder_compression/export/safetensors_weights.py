"""What a model's safetensors file holds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from encoder_compression.encoders import encoder_facts, removed_heads


def stored(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of all tensors."""
    yield from load_file(Path(artifact) / "model.safetensors").items()


def arrays(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the parameters: of all tensors, without the zeros in place of removed attention heads."""
    removed, heads = removed_heads.read(artifact), encoder_facts.attention_heads(artifact)
    for name, values in stored(artifact):
        yield name, removed_heads.without(name, values, removed, heads)
