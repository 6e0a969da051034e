"""What the kept inputs of a linear layer must do for those that are gone: least squares, layer by layer, without training."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.pruning import layer_calls
from encoder_compression.pruning.gates import Batches, gated
from encoder_compression.pruning.layer_calls import Call
from encoder_compression.pruning.structure import Structure

DAMPING = 0.01  # of the mean diagonal, so that inputs that always move together keep their weights


@torch.no_grad()
def correct(model: PreTrainedModel, structure: Structure, batches: Batches) -> None:
    """Fit, in place, the weights and biases that read heads or neurons so that the kept ones give what all gave.

    Layer by layer from the first, each on what the layers before it now give. As Kwon et al. (2022, section 4.3) tune their
    masks, but with a weight for each input and output: the least squares of OBC (Frantar et al. 2022) for whole inputs.
    """
    model.eval()
    width = model.config.hidden_size // model.config.num_attention_heads
    heads, neurons = torch.ones_like(structure.heads), torch.ones_like(structure.neurons)
    by_layer = zip(*(layer_calls.calls(model, batch) for batch in batches), strict=True)
    states = None
    with gated(model, heads, neurons):
        for index, (layer, block, arguments) in enumerate(zip(pretrained.layers(model), pretrained.blocks(model), by_layer, strict=True)):
            calls = [replace(call, states=at) for call, at in zip(arguments, states, strict=True)] if states else arguments
            _fit(block.attention_output, structure.heads[index].repeat_interleave(width), layer, calls)
            heads[index] = structure.heads[index]
            _fit(block.contraction, structure.neurons[index], layer, calls)
            neurons[index] = structure.neurons[index]
            states = _states_after(model, index, layer, calls, batches)


def _states_after(model: PreTrainedModel, index: int, layer: nn.Module, calls: list[Call], batches: Batches) -> list[Tensor]:
    """Return what the layer behind this one gets, by batch; of DeBERTa's first layer that has gone through a convolution."""
    if index or not pretrained.has_module(model, pretrained.architecture(model).after_first) or len(pretrained.layers(model)) == 1:
        return [call.of(layer) for call in calls]
    return [layer_calls.states_at(model, pretrained.layers(model)[1], batch) for batch in batches]


def _fit(linear: nn.Linear, kept: Tensor, layer: nn.Module, calls: list[Call]) -> None:
    """Give the kept inputs of one of the layer's matrices, and its bias, values that best give what all inputs give.

    What an input gives on average goes to the bias; without it kept inputs that hardly move would get huge weights to imitate it.
    A matrix without a bias, as ModernBERT's, imitates it by its weights alone: then means count as zero.
    """
    if kept.all():
        return
    mean, covariance = _moments(linear, layer, calls)
    inside, weights = kept.nonzero().flatten(), linear.weight.data.T.to(mean.dtype)
    damped = covariance[inside][:, inside] + DAMPING * covariance.diagonal().mean() * torch.eye(len(inside), dtype=mean.dtype)
    gone = weights * (1 - kept[:, None])
    change = torch.linalg.solve(damped, covariance[inside] @ gone)
    linear.weight.data[:, inside] += change.T.to(linear.weight.dtype)
    if linear.bias is not None:
        linear.bias.data += (mean @ gone - mean[inside] @ change).to(linear.bias.dtype)


def _moments(linear: nn.Linear, layer: nn.Module, calls: list[Call]) -> tuple[Tensor, Tensor]:
    """Return mean [inputs] and covariance [inputs, inputs] over the tokens, without padding, that reach a linear layer."""
    total, square, tokens = torch.zeros(linear.in_features, dtype=torch.float64), 0, 0
    parts: list[Tensor] = []
    hook = linear.register_forward_pre_hook(lambda module, inputs: parts.append(inputs[0]))
    for call in calls:
        call.of(layer)
        states = parts.pop()[call.present]
        total += states.sum(dim=0)
        square = square + (states.T @ states).double()  # the products of a batch in single precision, their sum in double
        tokens += len(states)
    hook.remove()
    mean = total / tokens if linear.bias is not None else torch.zeros_like(total)
    return mean, square / tokens - mean[:, None] * mean
