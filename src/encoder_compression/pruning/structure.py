"""Which heads and neurons stay, and a model from which the others are physically gone."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.pruning.budget import Budget
from encoder_compression.pruning.gates import Importance, open_gates

NEURONS_AT_ONCE = 8  # kernels compute in blocks of eight: a width between two of them saves nothing


@dataclass(frozen=True)
class Structure:
    """What stays: a gate of 1 or 0 for every head [layers, heads] and every neuron [layers, neurons].

    Each layer keeps a head at least, and all keep as many neurons: that is what a standard config can say.
    """

    heads: Tensor
    neurons: Tensor

    @property
    def kept_heads(self) -> Tensor:
        """How many heads each layer keeps, int64 [layers]."""
        return self.heads.sum(dim=1).long()

    @property
    def kept_neurons(self) -> Tensor:
        """How many neurons each layer keeps, int64 [layers]."""
        return self.neurons.sum(dim=1).long()

    @property
    def removed_heads(self) -> dict[int, list[int]]:
        """The heads that go, by layer from 0."""
        return {layer: (gates == 0).nonzero().flatten().tolist() for layer, gates in enumerate(self.heads)}


def first_of_each(model: PreTrainedModel, *, heads: int, neurons: int) -> Structure:
    """Return the structure in which each layer of a model keeps so many heads and neurons, whichever they are."""
    of_heads, of_neurons = open_gates(model)
    of_heads[:, heads:] = 0
    of_neurons[:, neurons:] = 0
    return Structure(of_heads, of_neurons)


def choose(importance: Importance, budget: Budget) -> Structure:
    """Return the structure within the budget that loses least importance; UserError where none is.

    Heads go in the order of their importance over all layers; of every layer as many neurons go. Of all numbers of heads
    and neurons whose removal meets the budget, that with the smallest sum of importance is taken.
    """
    neurons = importance.neurons.shape[1]
    order = _removable_heads(importance.heads)
    counts = torch.arange(0, neurons, NEURONS_AT_ONCE)
    neuron_loss = _cumulated(importance.neurons.sort(dim=1).values.sum(dim=0))[counts]
    lost = neuron_loss[:, None] + _cumulated(importance.heads.flatten()[order])
    costs = budget.cost(_kept_heads(importance.heads, order), neurons - counts[:, None])
    within = costs <= budget.limit
    if not within.any():
        raise UserError(budget.refusal(float(costs.min())))
    count, needed = divmod(int(lost.where(within, torch.inf).argmin()), lost.shape[1])
    return _without(importance, order[:needed], int(counts[count]))


def _cumulated(values: Tensor) -> Tensor:
    """Return the sums [n + 1, ...] of the first 0, 1, … n rows."""
    return torch.cat([values.new_zeros(1, *values.shape[1:]), values.cumsum(dim=0)])


def _kept_heads(importance: Tensor, order: Tensor) -> Tensor:
    """Return how many heads each layer keeps [n + 1, layers] without the first 0, 1, … n of the order."""
    layers, heads = importance.shape
    return heads - _cumulated(nn.functional.one_hot(order // heads, layers))


def _removable_heads(importance: Tensor) -> Tensor:
    """Return the indices of heads in the order in which they go, without the most important one of each layer."""
    kept = importance.argmax(dim=1) + torch.arange(len(importance)) * importance.shape[1]
    order = importance.flatten().argsort(stable=True)
    return order[~torch.isin(order, kept)]


def _without(importance: Importance, heads: Tensor, neurons: int) -> Structure:
    """Return the structure without these heads and without so many of the least important neurons of each layer."""
    kept_heads, kept_neurons = torch.ones(importance.heads.numel()), torch.ones_like(importance.neurons)
    kept_heads[heads] = 0
    kept_neurons.scatter_(1, importance.neurons.argsort(dim=1, stable=True)[:, :neurons], 0)
    return Structure(kept_heads.view_as(importance.heads), kept_neurons)


def remove(model: PreTrainedModel, structure: Structure) -> None:
    """Take heads and neurons out of the model's matrices and say so in its config, in place."""
    encoder_facts.require_possible(model.config.model_type, "shrink")
    pretrained.remove_heads(model, structure.removed_heads)
    for block, gates in zip(pretrained.blocks(model), structure.neurons, strict=True):
        kept = gates.nonzero().flatten()
        gates_too = torch.cat([kept, len(gates) + kept]) if pretrained.architecture(model).gated else kept
        pretrained.keep_outputs(block.expansion, gates_too)
        pretrained.keep_inputs(block.contraction, kept)
    setattr(model.config, pretrained.architecture(model).neurons_key, int(structure.kept_neurons[0]))
