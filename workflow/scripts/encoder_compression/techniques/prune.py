"""Set the smallest weights of the encoder's linear layers to zero, train on, and keep them zero (Han et al. 2015)."""

import shutil
from pathlib import Path

from torch.nn.utils import prune as pruning
from transformers import PreTrainedModel

from encoder_compression import encoders
from encoder_compression.training import artifacts, objectives
from encoder_compression.training.train import Goal, train


def prune(*, parent: Path, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the pruned model after its recovery training to ``model``; returns facts with the zeros counted twice.

    The zeros are counted after recovery and in the reloaded model; RuntimeError where the two differ.
    """
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=[parent, goal.dataset])
    tokenizer = encoders.load_tokenizer(parent)
    network = encoders.load_model(parent)
    mask_smallest(network, options["sparsity"], options["scope"])
    history, facts = train(
        model=network,
        tokenizer=tokenizer,
        goal=goal,
        options=options["training"],
        objective=objectives.from_labels,
        checkpoints=checkpoints,
        columns={},
    )
    make_permanent(network)
    recovered = encoders.count_zeros(network)
    saved = encoders.count_zeros(artifacts.publish(network, tokenizer, model, dataset=goal.dataset))
    if saved != recovered:
        raise RuntimeError(f"zeros after recovery and after saving differ: {recovered} and {saved}")
    artifacts.write_curve(history, curve)
    shutil.rmtree(checkpoints)
    return facts | {"zeros_after_recovery": recovered, "zeros_after_saving": saved}


def mask_smallest(model: PreTrainedModel, sparsity: float, scope: str) -> None:
    """Mask the given share of weights by magnitude, in one ranking ("global") or within each matrix ("layer").

    While masks are on, every forward pass multiplies by them, so no training step can bring a weight back.
    """
    linears = [(linear, "weight") for linear in encoders.encoder_linears(model).values()]
    if scope == "global":
        pruning.global_unstructured(linears, pruning.L1Unstructured, amount=sparsity)
    else:
        for linear, name in linears:
            pruning.l1_unstructured(linear, name, amount=sparsity)


def make_permanent(model: PreTrainedModel) -> None:
    """Multiply the masks into the weights and take them off."""
    for linear in encoders.encoder_linears(model).values():
        pruning.remove(linear, "weight")
