"""Refuses numbers that are none: NaN and infinity compare with everything and choose anything. Imports neither torch nor numpy."""

import math

from encoder_compression.errors import UserError


def require_finite(logits, *, source: str, remedy: str):
    """Return logits, an array of numpy or torch of any shape; raise UserError where one is NaN or infinite."""
    ends = logits.min(), logits.max()  # NaN is both; a mask of all logits of a vocabulary would take gigabytes
    if not all(math.isfinite(end) for end in ends):
        raise UserError(f"{source} gives logits that are not finite; {remedy}")
    return logits
