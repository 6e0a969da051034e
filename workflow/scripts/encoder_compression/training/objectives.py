"""What a batch is trained towards: named, weighted loss terms."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from encoder_compression.training.losses import HiddenStateMatcher, soft_target_loss

# (model, batch) -> terms by name, already weighted: their sum is the loss.
Objective = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


def from_labels(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy with the labels, as the model computes it."""
    return {"hard": model(**batch).loss}


class Distillation:
    """Weighted sum of cross-entropy, softened KL and hidden-state loss; terms of weight 0 are not computed.

    The batch carries ``teacher_logits`` [batch, classes] where the soft term counts. ``teacher`` is needed for the
    hidden term only; it is frozen and in eval mode. The matcher's projection is trained as a part of the student,
    under the name ``hidden_matcher``, and taken off before saving.
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
        terms = {"hard": out.loss}
        if self.weights["soft"]:
            terms["soft"] = soft_target_loss(out.logits, soft_targets, self.temperature)
        if self.weights["hidden"]:
            terms["hidden"] = self._hidden_term(model.hidden_matcher, out.hidden_states, batch)
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _hidden_term(self, matcher: HiddenStateMatcher, states: tuple[Tensor, ...], batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        with torch.no_grad():
            teacher_states = self.teacher(**inputs, output_hidden_states=True).hidden_states
        return matcher(states, teacher_states, batch["attention_mask"])
