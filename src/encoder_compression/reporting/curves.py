"""The curves of trainings, as training.csv has them, and what is left of one in a table."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

KEPT = ("training_loss", "validation_loss", "validation_score")


def read(model: Path) -> pd.DataFrame:
    """Return the curve that lies beside a trained model: a row per logged interval of training and per validation."""
    return pd.read_csv(Path(model).parent / "training.csv")


def kept_epoch(curve: pd.DataFrame) -> dict[str, float | None]:
    """Return ``training_loss``, ``validation_loss`` and ``validation_score`` of the epoch whose weights were kept; None without training.

    That is the first one with the best validation score. The training loss is the mean over its optimizer steps, with dropout and
    while the weights still changed; an epoch that was cut short counts with the steps that it had.
    """
    validated, logged = curve.dropna(subset=["eval_score"]), curve.dropna(subset=["loss"])
    if validated.empty or logged.empty:
        return dict.fromkeys(KEPT)
    kept = validated.loc[validated["eval_score"].idxmax()]
    steps = logged["step"].diff().fillna(logged["step"])
    inside = (logged["epoch"] > math.ceil(kept["epoch"]) - 1) & (logged["epoch"] <= kept["epoch"])
    losses = np.average(logged["loss"][inside], weights=steps[inside]) if inside.any() else None
    return dict(zip(KEPT, (losses, kept["eval_loss"], kept["eval_score"]), strict=True))
