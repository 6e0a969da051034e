"""Which whole layers a model can do without."""

import torch
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.pruning.gates import Batches
from encoder_compression.training.objectives import from_labels


def important_layers(model: PreTrainedModel, keep: int, batches: Batches) -> list[int]:
    """Return the layers, counted from 1, that are left when those go one by one whose absence costs least.

    The cost is the loss on labelled batches without the layer, measured anew after each that went: about depth² / 2
    passes. As the greedy pruning of layers of Sajjad et al. (2023) compares, but by the task's own loss.
    """
    model.eval()
    whole = list(pretrained.layers(model))
    left = list(range(len(whole)))
    while len(left) > keep:
        costs = {}
        for layer in left:
            pretrained.keep_layers(model, [whole[index] for index in left if index != layer])
            costs[layer] = _loss(model, batches)
        left.remove(min(costs, key=costs.get))
    pretrained.keep_layers(model, whole)
    return [index + 1 for index in left]


@torch.inference_mode()
def _loss(model: PreTrainedModel, batches: Batches) -> float:
    return sum(float(from_labels(model, batch)["hard"]) for batch in batches)
