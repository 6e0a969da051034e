"""Averages of a model's weights over epochs or steps, which are validated, saved and kept in place of the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerState, TrainingArguments

FILE_NAME = "average.safetensors"  # beside the weights of a checkpoint, which are the averages


class WeightAverage(TrainerCallback):
    """Averages the weights that are trained, over the last epochs or as an exponential moving average over steps.

    ``last`` is a number of epochs, whose last weights have equal shares (checkpoint averaging; Vaswani et al. 2017, section 6.1).
    ``ema`` is the decay of a step: average = decay · average + (1 - decay) · weights (Polyak & Juditsky 1992); in step n the decay is
    at most (1 + n) / (10 + n), as TensorFlow has it, so that a short training does not end with the weights it began with. What was
    trained before the first epoch that may be validated counts in neither. Processes have equal weights and so equal averages.
    """

    def __init__(self, model: nn.Module, *, last: int | None, ema: float | None):
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.last, self.ema = last, ema
        self.parts: list[list[Tensor]] = []  # whose mean is the average: the weights of epochs, or the moving average alone
        self.steps = 0  # in the moving average

    def on_step_end(self, args, state, control, **_):
        """Move the moving average towards the weights of this step."""
        if not self.ema or not _may_be_validated(args, state):
            return
        if not self.steps:
            self.parts = [_copied(self.weights)]
        self.steps += 1
        decay = min(self.ema, (1 + self.steps) / (10 + self.steps))
        for average, weight in zip(self.parts[0], self.weights, strict=True):
            average.lerp_(weight.detach(), 1 - decay)

    def on_epoch_end(self, args, state, control, **_):
        """Take the weights of this epoch, in place of those of the first one if there are enough."""
        if self.last and _may_be_validated(args, state):
            self.parts = [*self.parts, _copied(self.weights)][-self.last :]

    @contextmanager
    def put_on(self) -> Iterator[None]:
        """Give the model the averages within a block, if there are any yet."""
        trained = _copied(self.weights) if self.parts else []
        _give([torch.stack(part).mean(dim=0) for part in zip(*self.parts, strict=True)], self.weights)
        try:
            yield
        finally:
            _give(trained, self.weights)

    def save(self, checkpoint: Path) -> None:
        """Write the weights themselves, and what they are averaged with, to the folder of a checkpoint."""
        tensors = {
            f"{number}.{index}": weight.detach().cpu().contiguous()
            for number, part in enumerate([self.weights, *self.parts])
            for index, weight in enumerate(part)
        }
        save_file(tensors | {"steps": torch.tensor(self.steps)}, checkpoint / FILE_NAME)

    def on_train_begin(self, args, state, control, **_):
        """Take up what a checkpoint holds where the training resumes from one."""
        if not state.global_step:
            return
        tensors = load_file(Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE_NAME)
        self.steps = int(tensors.pop("steps"))
        count = len(tensors) // len(self.weights)
        trained, *self.parts = [
            [tensors[f"{number}.{index}"].to(weight.device) for index, weight in enumerate(self.weights)] for number in range(count)
        ]
        _give(trained, self.weights)


def of_training(options: dict, model: nn.Module) -> WeightAverage | None:
    """Return what averages the weights of a training with these options; None where those of the best epoch are kept as they are."""
    weights = options.get("weights", "best")
    return None if weights == "best" else WeightAverage(model, last=weights.get("last"), ema=weights.get("ema"))


def _may_be_validated(args: TrainingArguments, state: TrainerState) -> bool:
    """Say whether an epoch that ended now would be validated: not before a ramp has ended."""
    return state.epoch >= args.eval_delay


def _copied(weights: list[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]


@torch.no_grad()
def _give(values: list[Tensor], weights: list[Tensor]) -> None:
    """Put values, if there are any, into the weights."""
    for value, weight in zip(values, weights, strict=bool(values)):
        weight.copy_(value)
