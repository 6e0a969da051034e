"""One training of a trial, as the step's own job would train, and what its model costs."""

import inspect
from importlib import import_module
from pathlib import Path

from encoder_compression.encoders import pretrained
from encoder_compression.training.train import Goal


def train_once(*, technique: str, inputs: dict[str, Path], goal: Goal, options: dict, folder: Path) -> tuple[dict, Path]:
    """Train a step in a new ``folder``; returns the facts and where the model lies. ``inputs`` are named as the technique's parameters."""
    function = getattr(import_module(f"encoder_compression.techniques.{technique}"), technique)
    folder.mkdir(parents=True)
    outputs = {"model": folder / "model", "adapter": folder / "adapter", "curve": folder / "training.csv"}
    arguments = {name: path for name, path in (inputs | outputs).items() if name in inspect.signature(function).parameters}
    return function(goal=goal, options=options, **arguments), outputs["model"]


def multiplications(model: Path) -> int:
    """Return the multiplications per token of the linear layers in the model's transformer layers; zeros are multiplied, too."""
    return pretrained.count_zeros(pretrained.load_model(model), ["encoder"])["weights"]
