"""A student as a job trains it."""

from pathlib import Path

from encoder_compression.techniques.distill import distill
from encoder_compression.training.train import Goal


def run_distill(*, teacher: Path, encoder: Path, goal: Goal, options: dict, folder: Path, **inputs: Path | None) -> dict:
    """Write model/ and training.csv of a student of ``teacher`` to ``folder``; return its facts.

    ``inputs`` are the other inputs of `distill`. By default the teacher is the parent, and there are no others.
    """
    absent = dict.fromkeys(("start", "soft_targets", "unlabelled", "unlabelled_targets"))
    outputs = {"model": folder / "model", "curve": folder / "training.csv"}
    return distill(teacher=teacher, encoder=encoder, goal=goal, options=options, **{"parent": teacher} | absent | inputs | outputs)
