"""What a batch is trained towards: named, weighted loss terms."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import ModelOutput

from encoder_compression.data import features
from encoder_compression.data.features import IGNORED
from encoder_compression.encoders import pretrained
from encoder_compression.training.losses import relation_loss, soft_target_loss, span_loss

# (model, batch) -> terms by name, already weighted: their sum is the loss.
Objective = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


def answer(model: nn.Module, batch: dict[str, Tensor], **options) -> ModelOutput:
    """Return a model's output for a batch; in masked language modeling its logits [1, places, vocabulary] are of masked tokens alone."""
    if not _has_masked_tokens(batch):
        return model(**batch, **options)
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    with pretrained.head_at(unwrapped(model), batch["labels"] != IGNORED):
        return model(**inputs, **options)


def _has_masked_tokens(batch: dict[str, Tensor]) -> bool:
    """Return whether a batch has a label for each token, as in masked language modeling."""
    return "labels" in batch and batch["labels"].dim() == 2


def hard_loss(out: ModelOutput, batch: dict[str, Tensor]) -> Tensor:
    """Return the loss towards the labels: cross-entropy of classes, squared error of numbers, that without padding for spans.

    It is a mean over all inputs of the batch; an input without a label adds nothing. In masked language modeling it is the mean
    cross-entropy at the masked tokens, ``out`` being that of `answer`.
    """
    if _has_masked_tokens(batch):
        return functional.cross_entropy(pretrained.logits(out)[0].float(), batch["labels"][batch["labels"] != IGNORED])
    if "start_positions" in batch:
        positions = torch.stack([batch["start_positions"], batch["end_positions"]], dim=1)
        return span_loss(pretrained.logits(out), positions, batch["attention_mask"])
    logits, labels = pretrained.logits(out).float(), batch["labels"]
    if logits.shape[-1] == 1:
        return torch.where(labels.isnan(), 0, logits.squeeze(-1) - labels).square().mean()
    return functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum") / len(labels)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model itself where several processes train it."""
    return getattr(model, "module", model)


def means_over(batch: dict[str, Tensor]) -> dict[str, int]:
    """Return how many items each loss term of a batch is a mean over.

    ``hard`` and ``soft`` are means over the inputs, or over the masked tokens where those are predicted; ``hidden`` and ``relation``
    are means over the tokens.
    """
    answers = int((batch["labels"] != IGNORED).sum()) if _has_masked_tokens(batch) else len(batch["attention_mask"])
    tokens = int(batch["attention_mask"].sum())
    return {"hard": answers, "soft": answers, "hidden": tokens, "relation": tokens}


def from_labels(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the loss towards the labels alone."""
    return {"hard": hard_loss(answer(model, batch), batch)}


def _heads(teacher: nn.Module, states: list[Tensor]) -> int:
    """Return into how many parts queries, keys and values are cut: the teacher's heads, or one where a width is no multiple of them."""
    heads = teacher.config.num_attention_heads
    return heads if all(state.shape[-1] % heads == 0 for state in states) else 1


class Distillation:
    """Weighted sum of the hard loss, the soft one, the hidden-state loss and the relation loss.

    Terms of weight 0 are not computed, but for the hard one: several processes need every parameter in the graph of the loss.
    The soft term is softened KL, or the squared difference where the model answers with a number. It takes the batch's
    ``teacher_logits``, shaped like the student's, or asks ``teacher`` where the batch has none; the other terms always ask.
    Where the batch has ``teacher_tokens`` [places, k], its logits are those of them, and both distributions are over them alone.
    A ``temperature`` with "from" and "to" changes in a straight line over the training (Jafari et al. 2021 let it fall to 1); ``passed``
    tells the share of the training that has passed, and is set by the Trainer.
    The teacher is frozen and in eval mode. The matcher's projection is trained as a part of the student, under the name
    ``hidden_matcher``, and taken off before saving.
    """

    def __init__(self, *, weights: dict[str, float], temperature: float | dict[str, float], teacher: nn.Module | None):
        self.weights = weights
        self.temperature = temperature
        self.passed: Callable[[], float] = lambda: 0.0
        self.teacher = teacher.eval().requires_grad_(False) if teacher is not None else None

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted terms of a batch."""
        batch = dict(batch)
        soft_targets, tokens = batch.pop("teacher_logits", None), batch.pop("teacher_tokens", None)
        hidden, attention_mask = bool(self.weights["hidden"]), batch["attention_mask"]
        with self._watched(unwrapped(model)) as student_states:
            student = answer(model, batch, output_hidden_states=hidden)
        with self._watched(self.teacher) as teacher_states:
            teacher = self._ask(batch, hidden)
        terms = {"hard": hard_loss(student, batch)}
        if self.weights["soft"]:
            student_logits = pretrained.logits(student) if tokens is None else pretrained.logits(student)[0].gather(-1, tokens)
            terms["soft"] = self._soft_term(student_logits, pretrained.logits(teacher) if soft_targets is None else soft_targets)
        if hidden:
            terms["hidden"] = unwrapped(model).hidden_matcher(student.hidden_states, teacher.hidden_states, attention_mask)
        if self.weights["relation"]:
            heads = _heads(self.teacher, student_states + teacher_states)
            terms["relation"] = relation_loss(student_states, teacher_states, attention_mask, heads=heads)
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _watched(self, model: nn.Module):
        """Return the context in which the queries, keys and values of a model's last layer are kept, where the loss has the relation."""
        return pretrained.queries_keys_values(model) if self.weights["relation"] else nullcontext([])

    def _ask(self, batch: dict[str, Tensor], hidden: bool) -> ModelOutput | None:
        """Return what the teacher makes of the very inputs that the student reads, where there is one."""
        if self.teacher is None:
            return None
        wanted = (*features.INPUTS, "attention_mask", *(["labels"] if _has_masked_tokens(batch) else []))
        asked = {name: batch[name] for name in wanted if name in batch}
        with torch.no_grad():
            return answer(self.teacher.to(batch["input_ids"].device), asked, output_hidden_states=hidden)

    def temperature_now(self) -> float:
        """Return the temperature of this step."""
        if not isinstance(self.temperature, dict):
            return self.temperature
        return self.temperature["from"] + (self.temperature["to"] - self.temperature["from"]) * self.passed()

    def _soft_term(self, student: Tensor, teacher: Tensor) -> Tensor:
        if student.shape[-1] == 1:  # one number, which has no distribution
            return torch.where(teacher.isnan(), 0, student.float() - teacher).square().mean()  # NaN is no soft target
        return soft_target_loss(student, teacher, self.temperature_now())
