"""Recall of a class at a fixed false-positive rate: the threshold that validation chooses, for test to say what it is worth."""

import math

import numpy as np
from scipy import special

from encoder_compression.errors import UserError, nearest

ROUNDING = 1e-9  # a rate times a count is not exact


def place_of(label: str, description: dict) -> int:
    """Return the index of a class by its name; ``description`` is dataset.json. UserError where the data set has no such class."""
    classes = description["labels"]
    if label not in classes:
        raise UserError(f"gate.recall.label: the data set has no class '{label}'{nearest(label, classes)}")
    return classes.index(label)


def log_odds(logits: np.ndarray, place: int) -> np.ndarray:
    """Return the log-odds [n] of one class against all others together, from logits [n, classes]."""
    return logits[:, place] - special.logsumexp(np.delete(logits, place, axis=1), axis=1)


def threshold(odds: np.ndarray, positive: np.ndarray, rate: float) -> float | None:
    """Return what log-odds [n] must exceed for the largest recall at which no more than ``rate`` of the negatives are taken for positive.

    It is the log-odds of the negative example that would be one too many, so it is finite. None where all examples are ``positive`` [n].
    """
    negatives = np.sort(odds[~positive])[::-1]
    allowed = math.floor(rate * len(negatives) + ROUNDING)
    return float(negatives[allowed]) if len(negatives) else None


def choose(validation: dict, description: dict, *, label: str, false_positive_rate: float) -> dict:
    """Return which class was asked for at which rate, and the log-odds that it must exceed.

    ``validation`` holds the columns "label" and "logits" of a row's predictions on that split.
    """
    place = place_of(label, description)
    odds, positive = log_odds(np.array(validation["logits"]), place), np.array(validation["label"]) == place
    return {"label": label, "false_positive_rate": false_positive_rate, "log_odds": threshold(odds, positive, false_positive_rate)}
