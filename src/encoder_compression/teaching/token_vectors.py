"""Static embeddings to begin with: what a model makes of each token alone (model2vec; Tulkens & van Dongen 2024)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data import features

BATCH_SIZE = 256


def alone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Return the last hidden state of every token [vocabulary, width] as the only one of a text.

    So the tokens that no text of train has get a vector as good as the others'.
    """
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    tokens = torch.arange(model.get_input_embeddings().num_embeddings)
    with torch.inference_mode():
        vectors = [_of_texts(model, tokenizer, batch) for batch in tokens.split(BATCH_SIZE)]
    model.cpu()
    return torch.cat(vectors)


def _of_texts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokens: Tensor) -> Tensor:
    """Return the last hidden states [tokens, width] of texts of one token each, between those that stand around a text."""
    around = [torch.full_like(tokens, token) for token in (tokenizer.cls_token_id, tokenizer.sep_token_id)]
    ids = torch.stack([around[0], tokens, around[1]], dim=1).to(model.device)
    return model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 1].float().cpu()


def counts(dataset: Path, vocabulary: int) -> Tensor:
    """Return how often train has each token [vocabulary]."""
    ids = features.read(dataset, "train")["input_ids"].combine_chunks().flatten().to_numpy()
    return torch.from_numpy(np.bincount(ids, minlength=vocabulary))


def reduce(vectors: Tensor, counts: Tensor, dimensions: int) -> Tensor:
    """Return the principal components [vocabulary, dimensions] of vectors [vocabulary, width].

    A token weighs as often as it counts, and once more. The mean of all is 0, their mean length is 1.
    """
    weights = ((counts + 1) / (counts + 1).sum()).unsqueeze(1)
    centred = vectors - (weights * vectors).sum(dim=0)
    _, directions = torch.linalg.eigh((centred.T @ (weights * centred)).double())
    components = centred @ directions.flip(1)[:, :dimensions].float()
    return components / components.norm(dim=1).mean()
