"""What each transformer layer of a model is called with, so that layers can be run one by one on what those before them give."""

from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained


@dataclass(frozen=True)
class Call:
    """What a transformer layer is called with: states [batch, length, width], the other arguments, and which tokens count."""

    states: Tensor
    others: tuple
    named: dict
    present: Tensor

    def of(self, layer: nn.Module) -> Tensor:
        """Return the layer's output [batch, length, width]."""
        out = layer(self.states, *self.others, **self.named)
        return out if isinstance(out, Tensor) else out[0]


def calls(model: PreTrainedModel, batch: dict[str, Tensor]) -> list[Call]:
    """Return what each layer is called with; ModernBERT's global and local layers get other masks. Only the first one's states are kept."""
    recorded: list[Call] = []

    def take(module, arguments, named):
        recorded.append(Call(arguments[0] if not recorded else None, arguments[1:], named, batch["attention_mask"].bool()))

    hooks = [layer.register_forward_pre_hook(take, with_kwargs=True) for layer in pretrained.layers(model)]
    model(**batch)
    for hook in hooks:
        hook.remove()
    return recorded


class _Reached(Exception):
    """Ends a forward pass where all that was asked for is known."""


def states_at(model: PreTrainedModel, layer: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Return the states that reach a layer in a forward pass, which ends there."""
    reached: list[Tensor] = []

    def take(module, arguments):
        reached.append(arguments[0])
        raise _Reached

    hook = layer.register_forward_pre_hook(take)
    with suppress(_Reached):
        model(**batch)
    hook.remove()
    return reached[0]
