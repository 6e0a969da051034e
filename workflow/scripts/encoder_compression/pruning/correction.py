"""What the kept inputs of a linear layer must do for those that are gone: least squares, layer by layer, without training."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression import encoders
from encoder_compression.pruning.gates import Batches, gated
from encoder_compression.pruning.structure import Structure

DAMPING = 0.01  # of the mean diagonal, so that inputs that always move together keep their weights


def correct(model: PreTrainedModel, structure: Structure, batches: Batches) -> None:
    """Fit, in place, the weights that read heads or neurons so that the kept ones give what all gave.

    Layer by layer from the first, each on what the layers before it now give. As Kwon et al. (2022, section 4.3) tune their
    masks, but with a weight for each input and output: the least squares of OBC (Frantar et al. 2022) for whole inputs.
    """
    model.eval()
    width = model.config.hidden_size // model.config.num_attention_heads
    heads, neurons = torch.ones_like(structure.heads), torch.ones_like(structure.neurons)
    for layer, block in enumerate(encoders.blocks(model)):
        _fit(model, block.attention_output, structure.heads[layer].repeat_interleave(width), (heads, neurons), batches)
        heads[layer] = structure.heads[layer]
        _fit(model, block.contraction, structure.neurons[layer], (heads, neurons), batches)
        neurons[layer] = structure.neurons[layer]


def _fit(model: PreTrainedModel, linear: nn.Linear, kept: Tensor, gates: tuple[Tensor, Tensor], batches: Batches) -> None:
    """Give the kept inputs the weights with which they best give what all inputs give."""
    if kept.all():
        return
    moments = _second_moments(model, linear, gates, batches)
    inside = kept.nonzero().flatten()
    damped = moments[inside][:, inside] + DAMPING * moments.diagonal().mean() * torch.eye(len(inside), dtype=moments.dtype)
    change = torch.linalg.solve(damped, moments[inside] @ (linear.weight.data.T.to(moments.dtype) * (1 - kept[:, None])))
    linear.weight.data[:, inside] += change.T.to(linear.weight.dtype)


@torch.no_grad()
def _second_moments(model: PreTrainedModel, linear: nn.Linear, gates: tuple[Tensor, Tensor], batches: Batches) -> Tensor:
    """Return the mean of x xᵀ [inputs, inputs] over the tokens, without padding, that reach a linear layer."""
    total, tokens = torch.zeros(linear.in_features, linear.in_features, dtype=torch.float64), 0
    found: list[Tensor] = []
    hook = linear.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    with gated(model, *gates):
        for batch in batches:
            model(**batch)
            states = found.pop()[batch["attention_mask"].bool()]
            total += states.T @ states  # the products of a batch in single precision, their sum in double
            tokens += len(states)
    hook.remove()
    return total / tokens
