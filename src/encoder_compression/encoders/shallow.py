"""A model with some of its transformer layers, and a config that says so: what saves and loads as the same model."""

import torch
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained


def take(model: PreTrainedModel, numbers: list[int]) -> None:
    """Keep the layers of these numbers, counted from 1, in this order, in place.

    Each layer stays what it is, such as global or local in ModernBERT: the config lists the kinds of those that are kept.
    """
    whole, config = pretrained.layers(model), model.config
    pretrained.keep_layers(model, [whole[number - 1] for number in numbers])
    config.num_hidden_layers = len(numbers)
    for key in pretrained.architecture(model).layer_keys:
        setattr(config, key, [getattr(config, key)[number - 1] for number in numbers])
    _take_first_norm(model)


@torch.no_grad()
def _take_first_norm(model: PreTrainedModel) -> None:
    """Let the first layer read the embeddings as they are, where the architecture gives it no norm of its own.

    ModernBERT normalizes embeddings before its first layer, which therefore has none. A layer that becomes the first one loses its
    norm x ↦ w · x / |x|: the weights w, and the mean length that the embeddings' own norm gives, go into the matrix behind it.
    """
    adapter, first = pretrained.architecture(model), pretrained.layers(model)[0]
    norm = first.get_submodule(adapter.first_norm) if adapter.first_norm else torch.nn.Identity()
    if isinstance(norm, torch.nn.Identity):
        return
    length = model.base_model.embeddings.norm.weight.square().mean().sqrt()
    linear = first.get_submodule(adapter.query)
    if linear.bias is not None and norm.bias is not None:
        linear.bias += linear.weight @ norm.bias
    linear.weight *= norm.weight / length
    first.set_submodule(adapter.first_norm, torch.nn.Identity())
