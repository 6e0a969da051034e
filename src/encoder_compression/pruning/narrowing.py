"""A model with narrower hidden states, cut to their principal components and fitted layer by layer, without training.

The cut is that of SliceGPT (Ashkboos et al. 2024) for layers that are normalized behind their sums, as BERT's are. A norm does not commute
with a rotation there, so weights and biases of the norms are fitted, as are the matrices that write to the hidden states.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.pruning import layer_calls
from encoder_compression.pruning.correction import DAMPING
from encoder_compression.pruning.gates import Batches, Importance, importance
from encoder_compression.pruning.layer_calls import Call
from encoder_compression.pruning.structure import NEURONS_AT_ONCE

TINY = 1e-12  # a variance of none
Pairs = Iterable[tuple[Tensor, Tensor]]  # what reaches a module and what it should give, [tokens, inputs] and [tokens, outputs]


def narrow(model: PreTrainedModel, hidden_size: int, batches: Batches) -> PreTrainedModel:
    """Return a model with hidden states of this width that answers as nearly as the given one; labelled batches show how that computes.

    Each layer keeps its most important heads, whose own width stays, and a share of its neurons: both as many times fewer as the
    hidden states are narrower. The architecture must be one that `layers.require_narrower` lets through.
    """
    basis = principal_components(model, hidden_size, batches)
    narrowed = _of_width(model, hidden_size)
    kept = _most_important(importance(model, batches, "fisher"), narrowed)
    with torch.no_grad():
        _cut_encoder(model, narrowed, basis, kept)
        _cut_head(model, narrowed, basis)
        _fit_embeddings(model, narrowed, basis, batches)
        _fit_layers(model, narrowed, basis, batches)
    return narrowed


@torch.no_grad()
def principal_components(model: PreTrainedModel, count: int, batches: Batches) -> Tensor:
    """Return the directions [width, count] with most of the squares of all hidden states, embeddings included, as orthonormal columns.

    The mean over the numbers of a state, which norms take out, is the mean over the numbers of the narrower one, too: the columns span
    the vector of ones and are turned so that it becomes one of as equal numbers.
    """
    model.eval()
    squares = 0
    for batch in batches:
        states = model(**batch, output_hidden_states=True).hidden_states
        tokens = torch.cat([state[batch["attention_mask"].bool()] for state in states])
        without_mean = tokens - tokens.mean(dim=1, keepdim=True)
        squares = squares + (without_mean.T @ without_mean).double()
    largest = torch.linalg.eigh(squares).eigenvectors.flip(1)[:, : count - 1]
    ones = torch.full((len(largest), 1), len(largest) ** -0.5, dtype=largest.dtype)
    return (torch.cat([largest, ones], dim=1) @ _reflection(count)).float()


def _reflection(count: int) -> Tensor:
    """Return the Householder reflection [count, count] that takes the last unit vector to one of equal numbers, and that back."""
    between = torch.full((count,), -(count**-0.5), dtype=torch.float64)
    between[-1] += 1
    return torch.eye(count, dtype=torch.float64) - 2 * torch.outer(between, between) / between.square().sum()


@dataclass(frozen=True)
class _Kept:
    """What a layer keeps: rows of its query, key and value matrices, and neurons."""

    rows: Tensor
    neurons: Tensor


def _of_width(model: PreTrainedModel, hidden_size: int) -> PreTrainedModel:
    """Return a model of this width in eval mode, whose weights are still to be given: all NaN but those of norms, which are 1, and 0."""
    adapter, config = pretrained.architecture(model), copy.deepcopy(model.config)
    share = hidden_size / getattr(config, adapter.width_key)
    neurons = round(getattr(config, adapter.neurons_key) * share / NEURONS_AT_ONCE) * NEURONS_AT_ONCE
    sizes = {adapter.width_key: hidden_size, adapter.neurons_key: neurons, adapter.heads_key: round(config.num_attention_heads * share)}
    for key, size in sizes.items():
        setattr(config, key, size)
    narrowed = type(model)(config).eval()
    for module in narrowed.modules():
        for name, weight in module.named_parameters(recurse=False):
            nn.init.constant_(weight, float(name == "weight") if isinstance(module, nn.LayerNorm) else torch.nan)
    return narrowed


def _most_important(measured: Importance, narrowed: PreTrainedModel) -> list[_Kept]:
    """Return what each layer keeps: as many heads and neurons as the narrowed model has, the most important ones in their order."""
    neurons = pretrained.blocks(narrowed)[0].contraction.in_features
    heads = narrowed.config.num_attention_heads
    width = pretrained.blocks(narrowed)[0].query.out_features // heads
    return [
        _Kept((_largest(of_heads, heads)[:, None] * width + torch.arange(width)).flatten(), _largest(of_neurons, neurons))
        for of_heads, of_neurons in zip(measured.heads, measured.neurons, strict=True)
    ]


def _largest(values: Tensor, count: int) -> Tensor:
    """Return the places of the largest values, in rising order."""
    return values.argsort(descending=True, stable=True)[:count].sort().values


def _cut_encoder(model: PreTrainedModel, narrowed: PreTrainedModel, basis: Tensor, kept: list[_Kept]) -> None:
    """Give the narrowed model's embeddings and layers the weights of the model, by the basis and by what each layer keeps."""
    for name, module in model.base_model.named_modules():
        if isinstance(module, nn.Embedding):
            narrowed.base_model.get_submodule(name).weight.copy_(module.weight @ basis)
    for whole, part, layer in zip(pretrained.blocks(model), pretrained.blocks(narrowed), kept, strict=True):
        for role, chosen in (("query", layer.rows), ("key", layer.rows), ("value", layer.rows), ("expansion", layer.neurons)):
            _copy(getattr(part, role), getattr(whole, role).weight[chosen] @ basis, getattr(whole, role).bias[chosen])
        for role, chosen in (("attention_output", layer.rows), ("contraction", layer.neurons)):
            _copy(getattr(part, role), basis.T @ getattr(whole, role).weight[:, chosen], basis.T @ getattr(whole, role).bias)


def _copy(linear: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)


def _cut_head(model: PreTrainedModel, narrowed: PreTrainedModel, basis: Tensor) -> None:
    """Give the pooler and the head, linear layers behind each other, the weights of the model's.

    The first one reads hidden states. Of any but the last one those outputs stay that have the largest weights in the next one.
    """
    inside = set(pretrained.encoder_linears(model).values())
    outside = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and module not in inside]
    read = basis
    for (name, linear), following in zip(outside, [*outside[1:], None], strict=True):
        part, chosen = narrowed.get_submodule(name), torch.arange(linear.out_features)
        if following:
            chosen = _largest(following[1].weight.square().sum(dim=0), part.out_features)
        _copy(part, linear.weight[chosen] @ read, linear.bias[chosen])
        read = torch.eye(linear.out_features)[:, chosen]


def _fit_embeddings(model: PreTrainedModel, narrowed: PreTrainedModel, basis: Tensor, batches: Batches) -> None:
    """Fit the norm of the embeddings."""
    norm = narrowed.base_model.get_submodule(pretrained.architecture(model).embedding_norm)
    first, first_narrowed = pretrained.layers(model)[0], pretrained.layers(narrowed)[0]

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches:
            present = batch["attention_mask"].bool()
            (inputs,) = _watch([norm], lambda batch=batch: layer_calls.states_at(narrowed, first_narrowed, batch), of_inputs=True)
            yield inputs[present], layer_calls.states_at(model, first, batch)[present] @ basis

    _fit_norm(norm, pairs())


def _fit_layers(model: PreTrainedModel, narrowed: PreTrainedModel, basis: Tensor, batches: Batches) -> None:
    """Fit, from the first layer to the last, what writes to the hidden states on what the layers before it now give."""
    layers = zip(*(zip(pretrained.layers(network), _writers(network), strict=True) for network in (model, narrowed)), strict=True)
    of_model, of_narrowed = ([layer_calls.calls(network, batch) for batch in batches] for network in (model, narrowed))
    states, states_narrowed = ([calls[0].states for calls in called] for called in (of_model, of_narrowed))
    for index, ((layer, writers), (layer_narrowed, writers_narrowed)) in enumerate(layers):
        wide, thin = (_at(index, *each) for each in ((of_model, states), (of_narrowed, states_narrowed)))
        written = [_watch(writers, lambda call=call, layer=layer: call.of(layer), of_inputs=False) for call in wide]
        states = [outputs[-1] for outputs in written]
        for number, module in enumerate(writers_narrowed):
            _fit(module, _pairs(module, layer_narrowed, thin, [outputs[number] for outputs in written], basis))
        states_narrowed = [call.of(layer_narrowed) for call in thin]


def _writers(model: PreTrainedModel) -> Iterator[list[nn.Module]]:
    """Yield, layer by layer, the modules that write to the hidden states in their order; the last one's output is the layer's."""
    norms = pretrained.architecture(model).norms
    for layer, block in zip(pretrained.layers(model), pretrained.blocks(model), strict=True):
        behind_attention, behind_neurons = (layer.get_submodule(path) for path in norms)
        yield [block.attention_output, behind_attention, block.contraction, behind_neurons]


def _at(index: int, called: list[list[Call]], states: list[Tensor]) -> list[Call]:
    """Return what a layer is called with, by batch, on these states."""
    return [replace(calls[index], states=at) for calls, at in zip(called, states, strict=True)]


def _pairs(module: nn.Module, layer: nn.Module, calls: list[Call], targets: list[Tensor], basis: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield by batch what reaches a module of the layer, and the target, at the tokens that count."""
    for call, target in zip(calls, targets, strict=True):
        (inputs,) = _watch([module], lambda call=call: call.of(layer), of_inputs=True)
        yield inputs[call.present], target[call.present] @ basis


def _watch(modules: list[nn.Module], run: Callable, *, of_inputs: bool) -> list[Tensor]:
    """Return what reaches each module, or what it gives, in a run that asks each of them once, in this order."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0] if of_inputs else output)) for module in modules
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def _fit(module: nn.Module, pairs: Pairs) -> None:
    (_fit_norm if isinstance(module, nn.LayerNorm) else _fit_linear)(module, pairs)


def _fit_norm(norm: nn.LayerNorm, pairs: Pairs) -> None:
    """Give a norm's weights and biases the values that best give the targets, number by number."""
    sums, tokens = 0, 0
    for inputs, target in pairs:
        normal = functional.layer_norm(inputs, norm.normalized_shape, eps=norm.eps).double()
        sums = sums + torch.stack([each.sum(dim=0) for each in (normal, target, normal * target, normal.square())])
        tokens += len(inputs)
    mean, mean_target, product, square = sums / tokens
    norm.weight.copy_((product - mean * mean_target) / (square - mean.square()).clamp(min=TINY))
    norm.bias.copy_(mean_target - norm.weight * mean)


def _fit_linear(linear: nn.Linear, pairs: Pairs) -> None:
    """Change a matrix and its bias so that they best give the targets; damped, so that inputs that move together keep their weights."""
    sums, square, product, tokens = 0, 0, 0, 0
    for inputs, target in pairs:
        missing = target - linear(inputs)
        sums = sums + torch.cat([inputs, missing], dim=1).double().sum(dim=0)
        square, product = square + (inputs.T @ inputs).double(), product + (inputs.T @ missing).double()
        tokens += len(inputs)
    mean, mean_missing = (sums / tokens).split([linear.in_features, linear.out_features])
    covariance = square / tokens - mean[:, None] * mean
    damped = covariance + DAMPING * covariance.diagonal().mean() * torch.eye(len(mean), dtype=mean.dtype)
    change = torch.linalg.solve(damped, product / tokens - mean[:, None] * mean_missing)
    linear.weight += change.T
    linear.bias += mean_missing - mean @ change
