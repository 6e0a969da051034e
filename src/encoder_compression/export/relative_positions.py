"""DeBERTa's relative positions in a graph: looked up in a table that PyTorch has computed, so that every runtime has the same ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.deberta_v2 import modeling_deberta_v2 as deberta


@contextmanager
def looked_up(model: PreTrainedModel) -> Iterator[None]:
    """Let a DeBERTa that is traced look its relative positions up; nothing changes for another architecture.

    They are rounded logarithms of distances, and that of the longest is a whole number: OpenVINO's rounds to the next one,
    which moved logits of inputs of full length by 2 %.
    """
    if not getattr(model.config, "relative_attention", False):
        yield
        return
    build = deberta.build_relative_position
    table, longest = _table(model), model.config.max_position_embeddings

    def look_up(query_layer, key_layer, **_) -> Tensor:
        queries, keys = (torch.arange(layer.size(-2)) for layer in (query_layer, key_layer))
        return table[queries[:, None] - keys[None, :] + longest - 1][None]

    deberta.build_relative_position = look_up
    try:
        yield
    finally:
        deberta.build_relative_position = build


def _table(model: PreTrainedModel) -> Tensor:
    """Return the relative position of each distance from the most negative one that the encoder has positions for, int64 [distances]."""
    encoder, longest = model.base_model.encoder, torch.zeros(1, model.config.max_position_embeddings, 1)
    square = deberta.build_relative_position(
        longest, longest, bucket_size=encoder.position_buckets, max_position=encoder.max_relative_positions
    )[0]
    return torch.cat([square[0].flip(0), square[1:, 0]])
