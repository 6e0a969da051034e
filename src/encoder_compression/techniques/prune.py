"""Set the least important weights of a model's matrices to zero, train on, and keep them zero (Han et al. 2015)."""

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.pruning import calibration
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.pruning.scores import factors
from encoder_compression.teaching import distillation
from encoder_compression.training import artifacts
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.train import Goal


def prune(*, parent: Path, teacher: Path, soft_targets: Path | None, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the pruned model after its training to ``model`` and the training's curve to ``curve``; returns facts.

    All zeros come at once before the training, or with "ramp" little by little in its first part. They are counted after
    the training and in the reloaded model; RuntimeError where the two differ.
    """
    distillation.require_gate(teacher, options["gate"])
    inputs = [parent, teacher, goal.dataset]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoder_facts.load_tokenizer(parent)
    network = pretrained.load_model(parent)
    pruning_masks = _put_pruning_masks_on(network, tokenizer, goal, options)
    ramp = _ramp(pruning_masks, options)
    history, facts = distillation.train_on(
        network,
        parent=parent,
        teacher=teacher,
        soft_targets=soft_targets,
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=ramp,
    )
    pruning_masks.make_permanent()
    recovered = pretrained.count_zeros(network, options["parts"])
    saved = pretrained.count_zeros(artifacts.publish(network, tokenizer, model, dataset=goal.dataset), options["parts"])
    if saved != recovered:
        raise RuntimeError(f"zeros after recovery and after saving differ: {recovered} and {saved}")
    artifacts.write_curve(history, curve)
    artifacts.drop_checkpoints(checkpoints)
    return facts | {"zeros_after_recovery": recovered, "zeros_after_saving": saved}


def _ramp(pruning_masks: PruningMasks, options: dict) -> Ramp | None:
    """Return what raises the sparsity during the training, or set all zeros now where the step has no ramp."""
    if "ramp" not in options:
        return pruning_masks.raise_to(options["sparsity"])
    start = max(options["ramp"]["start"], pruning_masks.share())
    return Ramp(pruning_masks.raise_to, target=options["sparsity"], **options["ramp"] | {"start": start})


def _put_pruning_masks_on(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict) -> PruningMasks:
    """Put pruning masks on the model that rank by the score; magnitude alone needs no examples."""
    by_size = options["score"] == "magnitude"
    batches = [] if by_size else calibration.batches(goal.dataset, tokenizer, options["calibration"])
    modules = pretrained.parts(network, options["parts"])
    return PruningMasks(modules, scope=options["scope"], factors=factors(network, modules, options["score"], batches))
