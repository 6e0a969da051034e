"""Which of many rows stand for all of them."""

import numpy as np


def spread(count: int, total: int) -> np.ndarray:
    """Return the places [min(count, total)] of so many of ``total`` rows, spread evenly from the first to the last, each once."""
    return np.linspace(0, total - 1, min(count, total), dtype=int)
