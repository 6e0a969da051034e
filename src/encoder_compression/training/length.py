"""How long a training lasts: epochs, optimizer steps or seconds."""

import math
from collections.abc import Callable

from transformers import EarlyStoppingCallback, TrainerCallback

ENDLESS = 1_000_000  # epochs, where the clock ends a training


def arguments(options: dict) -> dict[str, float]:
    """Return the length as the Trainer takes it; ``options`` are those of a step's ``training`` section."""
    return {"max_steps": options["steps"]} if "steps" in options else {"num_train_epochs": options.get("epochs", ENDLESS)}


def epochs(options: dict, inputs: int) -> float:
    """Return how often the training sees each of so many inputs."""
    return options["steps"] / math.ceil(inputs / options["batch_size"]) if "steps" in options else options["epochs"]


def warmup_steps(options: dict, inputs: int) -> int:
    """Return in how many optimizer steps the learning rate rises; that of a training which ends by the clock rises by it."""
    if "seconds" in options:
        return 0
    steps = options["steps"] if "steps" in options else options["epochs"] * math.ceil(inputs / options["batch_size"])
    return math.ceil(steps * options["warmup"])


def patience(options: dict) -> list[TrainerCallback]:
    """Return what ends a training that gets no better; one of so many steps or seconds goes on to its end."""
    return [EarlyStoppingCallback(options["patience"])] if "epochs" in options else []


class TimeLimit(TrainerCallback):
    """Ends a training when the clock says so, and lets its learning rate follow the clock.

    ``share`` tells which share of the seconds has passed. Validations before the end count, the last one does not.
    """

    def __init__(self, share: Callable[[], float], *, warmup: float):
        self.share = share
        self.warmup = warmup

    def rate(self, step: int) -> float:
        """Return the factor of the learning rate: up to 1 in the warm-up's share of the time, then down to 0, both linearly."""
        share = self.share() if step else 0.0  # before its first step a resumed run does not know its clock
        if share >= 1:
            return 0.0
        return share / self.warmup if share < self.warmup else (1 - share) / (1 - self.warmup)

    def on_step_end(self, args, state, control, **_):
        """Stop after the step in which the time is up."""
        if self.share() >= 1:
            control.should_training_stop = True
