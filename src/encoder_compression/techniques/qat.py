"""Train a model with the rounding of the quantization that follows, so that it loses less by it (Jacob et al. 2018)."""

from pathlib import Path

from encoder_compression.quantization.fake import FakeQuantization
from encoder_compression.teaching.retraining import Retraining
from encoder_compression.training.train import Goal


def qat(*, parent: Path, teacher: Path, soft_targets: Path | None, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the model after its training to ``model``, in float, and the training's curve to ``curve``; returns facts.

    Scores on validation, which choose the epoch, are those of the rounded model.
    """
    step = Retraining(parent=parent, teacher=teacher, soft_targets=soft_targets, goal=goal, options=options, model=model, curve=curve)
    network, tokenizer = step.begin()
    rounding = FakeQuantization(network, bits=options["bits"], block=options["block"])
    history, facts = step.train(network, tokenizer, None)
    rounding.take_off()
    step.publish(network, tokenizer)
    step.end(history)
    return facts
