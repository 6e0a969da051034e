"""What a model's safetensors file holds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def stored(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of all tensors."""
    yield from load_file(Path(artifact) / "model.safetensors").items()


arrays = stored  # every one is a parameter
