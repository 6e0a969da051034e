"""Ends a training whose loss, or whose logits on validation, are not finite, with one line that says since when and what helps."""

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerState, TrainingArguments

from encoder_compression.errors import UserError
from encoder_compression.training import processes


class Diverged(UserError):
    """A training whose numbers are no longer finite."""


class DivergenceGuard(TrainerCallback):
    """Watches the loss of each step and the logits on validation, and raises Diverged before anything is chosen or saved by them.

    What it watches stays on the device and is read only where the Trainer waits for it anyway: to log, to save, to validate.
    Gradients of float16 that overflow are no divergence: the loss is finite, and the gradient scaler skips the step
    (Micikevicius et al. 2018, section 3.2).
    """

    def __init__(self):
        self.first_step: Tensor | None = None  # whose loss is not finite; infinity while there is none
        self.validation: Tensor | None = None  # whether all of it so far is finite

    def watch_loss(self, loss: Tensor, step: int) -> None:
        """Take the loss of a step, counted from 1, or of a part of it."""
        step = torch.where(loss.detach().isfinite(), torch.inf, float(step))
        self.first_step = step if self.first_step is None else torch.minimum(self.first_step, step)

    def watch_validation(self, logits: Tensor, loss: Tensor) -> None:
        """Take the logits of a batch of validation, of any shape, and their loss."""
        finite = (logits.isfinite().all() & loss.isfinite()).float()
        self.validation = finite if self.validation is None else torch.minimum(self.validation, finite)

    def on_step_end(self, args, state, control, **_):
        """Require finite losses before the Trainer logs or saves them."""
        if control.should_log or control.should_save:
            self.require_losses(args)

    def on_epoch_end(self, args, state, control, **_):
        """Require finite losses before the model is validated."""
        self.require_losses(args)

    def require_losses(self, args: TrainingArguments) -> None:
        """Raise Diverged where the loss of a step, in any of the processes, is not finite."""
        first = float("inf") if self.first_step is None else float(processes.smallest(self.first_step))
        if first == 1:
            remedies = _listed("take finite weights to start from and a finite teacher", *_precision(args))
            raise Diverged(f"training: the loss of the first step is not finite; {remedies}")
        if first < float("inf"):
            raise Diverged(f"training: {_last_finite(int(first) - 1, args)}")

    def require_validation(self, args: TrainingArguments, state: TrainerState) -> None:
        """Raise Diverged where a logit of the validation that has just ended, or its loss, is not finite."""
        finite, self.validation = bool(processes.smallest(self.validation)), None
        if not finite and state.global_step:
            raise Diverged(f"training: the logits on validation are not finite, {_last_finite(state.global_step, args)}")
        if not finite:
            raise Diverged("training: the logits on validation are not finite without any training; take finite weights to start from")


def _last_finite(step: int, args: TrainingArguments) -> str:
    """Return the last step with a finite loss, the learning rate, and what helps."""
    remedies = _listed("lower learning_rate", "give a longer warmup", *_precision(args))
    return f"the loss was last finite in step {step}, with learning_rate {args.learning_rate:g}; {remedies}"


def _precision(args: TrainingArguments) -> list[str]:
    """Return the remedy that a training in fewer bits has beside the others."""
    return ["take precision float32"] if args.bf16 or args.fp16 else []


def _listed(*remedies: str) -> str:
    *first, last = remedies
    return f"{', '.join(first)} or {last}" if first else last
