"""What a structure costs and how much it may: multiplications, or milliseconds on a device."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Budget:
    """What the whole model costs, what a structure may cost at most, and what a layer saves by keeping few heads or neurons.

    ``head_savings`` [heads + 1] and ``neuron_savings`` [neurons + 1] go by how many are kept, and are the same for every
    layer. ``refusal`` says what is wrong where even the cheapest structure, of the cost that it is given, is too dear.
    """

    whole: float
    limit: float
    head_savings: Tensor
    neuron_savings: Tensor
    refusal: Callable[[float], str]

    def cost(self, heads: Tensor, neurons: Tensor) -> Tensor:
        """Return the cost [...] of structures by the heads that their layers keep [..., layers] and the neurons of each layer [...]."""
        return self.whole - self.head_savings[heads].sum(dim=-1) - heads.shape[-1] * self.neuron_savings[neurons]


def of_multiplications(share: float, *, layers: int, heads: int, neurons: int, hidden_size: int, gated: bool) -> Budget:
    """Return the multiplications of the encoder's linear layers without this share of them, to the nearest head.

    A head costs 4 · hidden_size · its width (query, key, value, output), a neuron 2 · hidden_size (in and out), or 3 with a gate.
    """
    head_cost, neuron_cost = 4 * hidden_size * (hidden_size // heads), (3 if gated else 2) * hidden_size
    whole = layers * (heads * head_cost + neurons * neuron_cost)
    return Budget(
        whole=whole,
        limit=(1 - share) * whole + head_cost / 2,
        head_savings=head_cost * torch.arange(heads, -1, -1, dtype=torch.float64),
        neuron_savings=neuron_cost * torch.arange(neurons, -1, -1, dtype=torch.float64),
        refusal=lambda cost: f"remove: {share} of the multiplications cannot go; at most {_down(1 - cost / whole)} can, so lower it",
    )


def of_time(times: dict, *, speedup: float, device: str) -> Budget:
    """Return the milliseconds of the whole model divided by the speed-up.

    ``times`` is the table of `measurement.structures`. Time is taken to be linear between two measured numbers of heads or
    neurons, the same in every layer, and the savings of heads and neurons to add up.
    """
    whole = times["whole_ms"]
    return Budget(
        whole=whole,
        limit=whole / speedup,
        head_savings=_savings(times["heads"], whole) / times["layers"],
        neuron_savings=_savings(times["neurons"], whole) / times["layers"],
        refusal=lambda cost: (
            f"target: no structure is {speedup} times as fast on {device}; the fastest is {_down(whole / cost)} times, so lower 'speedup'"
        ),
    )


def _savings(points: list[dict], whole: float) -> Tensor:
    """Return the milliseconds saved [kept + 1] where all layers keep 0, 1, … of their heads or neurons."""
    kept, took = zip(*sorted((point["kept"], point["ms"]) for point in points), strict=True)
    return whole - torch.from_numpy(np.interp(np.arange(kept[-1] + 1), kept, took))


def _down(value: float) -> float:
    """Round down, so that what is offered can be had."""
    return math.floor(100 * value) / 100
