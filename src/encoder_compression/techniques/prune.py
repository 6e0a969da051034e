"""Set the least important weights of a model's matrices to zero, train on, and keep them zero (Han et al. 2015)."""

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import pretrained
from encoder_compression.pruning import calibration
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.pruning.scores import factors
from encoder_compression.teaching.retraining import Retraining
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.train import Goal


def prune(*, parent: Path, teacher: Path, soft_targets: Path | None, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the pruned model after its training to ``model`` and the training's curve to ``curve``; returns facts.

    All zeros come at once before the training, or with "ramp" little by little in its first part. They are counted after
    the training and in the reloaded model; RuntimeError where the two differ.
    """
    step = Retraining(parent=parent, teacher=teacher, soft_targets=soft_targets, goal=goal, options=options, model=model, curve=curve)
    network, tokenizer = step.begin()
    pruning_masks = _put_pruning_masks_on(network, tokenizer, goal, options)
    history, facts = step.train(network, tokenizer, _ramp(pruning_masks, options))
    pruning_masks.make_permanent()
    recovered = pretrained.count_zeros(network, options["parts"])
    saved = pretrained.count_zeros(step.publish(network, tokenizer), options["parts"])
    if saved != recovered:
        raise RuntimeError(f"zeros after recovery and after saving differ: {recovered} and {saved}")
    step.end(history)
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
