"""Which heads and neurons stay, and a model from which the others are physically gone."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression import encoders
from encoder_compression.errors import UserError
from encoder_compression.pruning.gates import Importance

NEURONS_AT_ONCE = 8  # kernels compute in blocks of eight: a width between two of them saves nothing


@dataclass(frozen=True)
class Structure:
    """What stays: a gate of 1 or 0 for every head [layers, heads] and every neuron [layers, neurons].

    Each layer keeps a head at least, and all keep as many neurons: that is what a standard config can say.
    """

    heads: Tensor
    neurons: Tensor

    @property
    def removed_heads(self) -> dict[int, list[int]]:
        """The heads that go, by layer, as transformers names them."""
        return {layer: (gates == 0).nonzero().flatten().tolist() for layer, gates in enumerate(self.heads)}


def choose(importance: Importance, share: float, *, hidden_size: int) -> Structure:
    """Return the structure without ``share`` of the multiplications in the encoder's linear layers that loses least importance.

    A head costs 4 · hidden_size · its width, a neuron 2 · hidden_size (query, key, value, output; in and out). Heads go in
    the order of their importance over all layers; of every layer as many neurons go. Of all ways to share the budget
    between the two, that with the smallest sum of importance is taken.
    """
    layers, heads = importance.heads.shape
    width = hidden_size // heads
    neuron_cost, head_cost = 2 * hidden_size * layers, 4 * hidden_size * width
    total = importance.neurons.shape[1] * neuron_cost + layers * heads * head_cost
    head_order = _removable_heads(importance.heads)
    head_loss = _cumulated(importance.heads.flatten()[head_order])
    neuron_loss = _cumulated(importance.neurons.sort(dim=1).values.sum(dim=0))
    best = min(
        (float(neuron_loss[count] + head_loss[needed]), count, needed)
        for count in range(0, importance.neurons.shape[1], NEURONS_AT_ONCE)
        if (needed := max(0, round((share * total - count * neuron_cost) / head_cost))) < len(head_loss)
    )
    return _without(importance, head_order[: best[2]], best[1])


def _cumulated(values: Tensor) -> Tensor:
    """Return the sums [n + 1] of the first 0, 1, … n values."""
    return torch.cat([torch.zeros(1), values.cumsum(dim=0)])


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
    """Take heads and neurons out of the model's matrices and say so in its config, in place.

    transformers 4 takes the heads in ``config.pruned_heads`` out again when it loads the model.
    """
    if model.config.model_type == "mpnet":
        raise UserError("MPNet's heads share a table of positions that cannot be cut; shrink another architecture")
    model.prune_heads(structure.removed_heads)
    for block, gates in zip(encoders.blocks(model), structure.neurons, strict=True):
        kept = gates.nonzero().flatten()
        _keep_outputs(block.expansion, kept)
        _keep_inputs(block.contraction, kept)
    model.config.intermediate_size = int(structure.neurons[0].sum())
    if hasattr(model.config, "hidden_dim"):  # DistilBERT's name of it
        model.config.hidden_dim = model.config.intermediate_size
        del model.config.intermediate_size


def _keep_outputs(linear: nn.Linear, kept: Tensor) -> None:
    linear.weight, linear.bias = nn.Parameter(linear.weight.data[kept]), nn.Parameter(linear.bias.data[kept])
    linear.out_features = len(kept)


def _keep_inputs(linear: nn.Linear, kept: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.data[:, kept])
    linear.in_features = len(kept)
