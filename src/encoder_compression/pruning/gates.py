"""How much a head or a neuron matters: the loss when its gate closes, from gradients at the open gate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.training.objectives import from_labels

Batches = list[dict[str, Tensor]]


@dataclass(frozen=True)
class Importance:
    """The importance of every head [layers, heads] and of every neuron [layers, neurons], in the same unit."""

    heads: Tensor
    neurons: Tensor


@contextmanager
def gated(model: PreTrainedModel, heads: Tensor, neurons: Tensor) -> Iterator[None]:
    """Multiply, in every forward pass, what each head and each neuron gives by its gate: [layers, heads], [layers, neurons]."""
    hooks = []
    for block, of_heads, of_neurons in zip(pretrained.blocks(model), heads, neurons, strict=True):
        width = block.attention_output.in_features // len(of_heads)
        hooks.append(block.attention_output.register_forward_pre_hook(_multiply_by(of_heads, width)))
        hooks.append(block.contraction.register_forward_pre_hook(_multiply_by(of_neurons, 1)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _multiply_by(gates: Tensor, width: int):
    return lambda module, inputs: (inputs[0] * gates.repeat_interleave(width), *inputs[1:])


def open_gates(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Return gates of 1 for all heads and neurons of a model whose layers are alike."""
    blocks = pretrained.blocks(model)
    return torch.ones(len(blocks), model.config.num_attention_heads), torch.ones(len(blocks), blocks[0].contraction.in_features)


def importance(model: PreTrainedModel, batches: Batches, score: str) -> Importance:
    """Return the importance of heads and neurons on labelled batches, in eval mode.

    "taylor": the mean of |dL/dgate|, the first-order change of the loss (Michel et al. 2019, equation 3). "fisher": the mean
    of (dL/dgate)², the diagonal of the empirical Fisher information (Kwon et al. 2022, equation 10).
    """
    model.eval()
    heads, neurons = (gate.requires_grad_() for gate in open_gates(model))
    totals = [torch.zeros_like(heads), torch.zeros_like(neurons)]
    with gated(model, heads, neurons):
        for batch in batches:
            (loss,) = from_labels(model, batch).values()
            gradients = torch.autograd.grad(loss, [heads, neurons])
            for total, gradient in zip(totals, gradients, strict=True):
                total += gradient.abs() if score == "taylor" else gradient.square()
    return Importance(*(total / len(batches) for total in totals))
