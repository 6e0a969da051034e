"""What a batch is trained towards: named, weighted loss terms."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import ModelOutput

from encoder_compression import encoders, features
from encoder_compression.training.losses import HiddenStateMatcher, soft_target_loss, span_loss

NO_CLASS = -100  # in place of the class of a text that has no label; in place of a number it is NaN
# (model, batch) -> terms by name, already weighted: their sum is the loss.
Objective = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


def hard_loss(out: ModelOutput, batch: dict[str, Tensor]) -> Tensor:
    """Return the loss towards the labels: cross-entropy of classes, squared error of numbers, that without padding for spans.

    It is a mean over all inputs of the batch, to which one without a label adds nothing.
    """
    if "start_positions" in batch:
        positions = torch.stack([batch["start_positions"], batch["end_positions"]], dim=1)
        return span_loss(encoders.logits(out), positions, batch["attention_mask"])
    logits, labels = encoders.logits(out).float(), batch["labels"]
    if logits.shape[-1] == 1:
        return torch.where(labels.isnan(), 0, logits.squeeze(-1) - labels).square().mean()
    return functional.cross_entropy(logits, labels, ignore_index=NO_CLASS, reduction="sum") / len(labels)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model itself where several processes train it."""
    return getattr(model, "module", model)


def from_labels(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the loss towards the labels alone."""
    return {"hard": hard_loss(model(**batch), batch)}


class Distillation:
    """Weighted sum of the hard loss, the soft one and the hidden-state loss; terms of weight 0 are not computed.

    The batch carries ``teacher_logits``, shaped like the student's, where the soft term counts: softened KL, or the
    squared difference where the model answers with a number. ``teacher`` is needed for the hidden term only; it is frozen
    and in eval mode. The matcher's projection is trained as a part of the student, under the name ``hidden_matcher``, and
    taken off before saving.
    """

    def __init__(self, *, weights: dict[str, float], temperature: float, teacher: nn.Module | None):
        self.weights = weights
        self.temperature = temperature
        self.teacher = teacher.eval().requires_grad_(False) if teacher is not None else None

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted terms of a batch."""
        batch = dict(batch)
        soft_targets = batch.pop("teacher_logits", None)
        out = model(**batch, output_hidden_states=self.teacher is not None)
        terms = {"hard": hard_loss(out, batch)}
        if self.weights["soft"]:
            terms["soft"] = self._soft_term(encoders.logits(out), soft_targets)
        if self.weights["hidden"]:
            terms["hidden"] = self._hidden_term(unwrapped(model).hidden_matcher, out.hidden_states, batch)
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _soft_term(self, student: Tensor, teacher: Tensor) -> Tensor:
        if student.shape[-1] == 1:  # one number, which has no distribution
            return functional.mse_loss(student.float(), teacher)
        return soft_target_loss(student, teacher, self.temperature)

    def _hidden_term(self, matcher: HiddenStateMatcher, states: tuple[Tensor, ...], batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: batch[name] for name in (*features.INPUTS, "attention_mask") if name in batch}
        with torch.no_grad():
            teacher_states = self.teacher(**inputs, output_hidden_states=True).hidden_states
        return matcher(states, teacher_states, batch["attention_mask"])
