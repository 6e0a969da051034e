"""What the kept inputs of a linear layer must do for those that are gone: least squares, layer by layer, without training."""

from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.pruning.gates import Batches, gated
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
    calls = [_first_call(model, batch) for batch in batches]
    with gated(model, heads, neurons):
        for index, (layer, block) in enumerate(zip(pretrained.layers(model), pretrained.blocks(model), strict=True)):
            _fit(block.attention_output, structure.heads[index].repeat_interleave(width), layer, calls)
            heads[index] = structure.heads[index]
            _fit(block.contraction, structure.neurons[index], layer, calls)
            neurons[index] = structure.neurons[index]
            calls = [call.after(layer) for call in calls]


@dataclass(frozen=True)
class _Call:
    """What a transformer layer is called with: states [batch, length, width], the other arguments, and which tokens count."""

    states: Tensor
    others: tuple
    named: dict
    present: Tensor

    def of(self, layer: nn.Module) -> Tensor:
        """Return the layer's output [batch, length, width]."""
        out = layer(self.states, *self.others, **self.named)
        return out if isinstance(out, Tensor) else out[0]

    def after(self, layer: nn.Module) -> "_Call":
        """Return what the next layer is called with."""
        return replace(self, states=self.of(layer))


class _Reached(Exception):
    """Ends a forward pass where all that was asked for is known."""


def _first_call(model: PreTrainedModel, batch: dict[str, Tensor]) -> _Call:
    hooks = []

    def take(module, arguments, named):
        hooks.append(_Call(arguments[0], arguments[1:], named, batch["attention_mask"].bool()))
        raise _Reached

    hook = pretrained.layers(model)[0].register_forward_pre_hook(take, with_kwargs=True)
    with suppress(_Reached):
        model(**batch)
    hook.remove()
    return hooks[0]


def _fit(linear: nn.Linear, kept: Tensor, layer: nn.Module, calls: list[_Call]) -> None:
    """Give the kept inputs of one of the layer's matrices, and its bias, values that best give what all inputs give.

    What an input gives on average goes to the bias; without it kept inputs that hardly move would get huge weights to imitate it.
    """
    if kept.all():
        return
    mean, covariance = _moments(linear, layer, calls)
    inside, weights = kept.nonzero().flatten(), linear.weight.data.T.to(mean.dtype)
    damped = covariance[inside][:, inside] + DAMPING * covariance.diagonal().mean() * torch.eye(len(inside), dtype=mean.dtype)
    gone = weights * (1 - kept[:, None])
    change = torch.linalg.solve(damped, covariance[inside] @ gone)
    linear.weight.data[:, inside] += change.T.to(linear.weight.dtype)
    linear.bias.data += (mean @ gone - mean[inside] @ change).to(linear.bias.dtype)


def _moments(linear: nn.Linear, layer: nn.Module, calls: list[_Call]) -> tuple[Tensor, Tensor]:
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
    mean = total / tokens
    return mean, square / tokens - mean[:, None] * mean
