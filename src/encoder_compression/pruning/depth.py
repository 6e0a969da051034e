"""Which whole layers a model can do without."""

import torch
from torch import nn
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
    stack = pretrained.layer_stack(model)
    whole, left = list(stack.layer), list(range(len(stack.layer)))
    while len(left) > keep:
        costs = {}
        for layer in left:
            stack.layer = nn.ModuleList([whole[index] for index in left if index != layer])
            costs[layer] = _loss(model, batches)
        left.remove(min(costs, key=costs.get))
    stack.layer = nn.ModuleList(whole)
    return [index + 1 for index in left]


@torch.inference_mode()
def _loss(model: PreTrainedModel, batches: Batches) -> float:
    return sum(float(from_labels(model, batch)["hard"]) for batch in batches)
