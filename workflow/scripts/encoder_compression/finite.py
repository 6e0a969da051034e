"""Refuses numbers that are none: NaN and infinity compare with everything and choose anything. Imports neither torch nor numpy."""

from encoder_compression.errors import UserError


def require_finite(logits, *, source: str, remedy: str):
    """Return logits, an array of numpy or torch of any shape; raise UserError where one is NaN or infinite."""
    if not bool((abs(logits) < float("inf")).all()):
        raise UserError(f"{source} gives logits that are not finite; {remedy}")
    return logits
