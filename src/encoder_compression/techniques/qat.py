"""Train a model with the rounding of the quantization that follows, so that it loses less by it (Jacob et al. 2018)."""

from pathlib import Path

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.quantization.fake import FakeQuantization
from encoder_compression.teaching import distillation
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal


def qat(*, parent: Path, teacher: Path, soft_targets: Path | None, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the model after its training to ``model``, in float, and the training's curve to ``curve``; returns facts.

    Scores on validation, which choose the epoch, are those of the rounded model.
    """
    distillation.require_gate(teacher, options["gate"])
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=[parent, teacher, goal.dataset])
    tokenizer = encoder_facts.load_tokenizer(parent)
    network = pretrained.load_model(parent)
    rounding = FakeQuantization(network, bits=options["bits"], block=options["block"])
    history, facts = distillation.train_on(
        network,
        parent=parent,
        teacher=teacher,
        soft_targets=soft_targets,
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=None,
    )
    rounding.take_off()
    artifacts.publish(network, tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(history, curve)
    artifacts.drop_checkpoints(checkpoints)
    return facts
