"""What a processor has at hand of a model, and how to take it away."""

from functools import cache
from pathlib import Path

import numpy as np

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNKNOWN = 64 * 2**20  # bytes, where the machine does not tell
UNITS = {"K": 2**10, "M": 2**20}


def empty() -> None:
    """Write to more memory than the processor's caches hold, so that they hold nothing else."""
    block = _block()
    block += 1


@cache
def _block() -> np.ndarray:
    return np.zeros(2 * size() // 8, dtype=np.int64)


def size() -> int:
    """Return the bytes of the processor's largest cache."""
    sizes = [file.read_text(encoding="utf-8").strip() for file in CACHES.glob("index*/size")]
    return max((int(each[:-1]) * UNITS[each[-1]] for each in sizes), default=UNKNOWN)
