"""Static embeddings to begin with: what a model makes of each token, on average over the texts that hold it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from pyarrow import compute
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data import features

BATCH_SIZE = 64


def average(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, datasets: Iterable[Path]) -> tuple[Tensor, Tensor]:
    """Return the mean of each token's last hidden states [vocabulary, width] over train of data sets, and its counts [vocabulary].

    The mean of a token that no text has is 0.
    """
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    size, width = model.get_input_embeddings().num_embeddings, model.config.hidden_size
    sums, counts = torch.zeros(size, width), torch.zeros(size)
    with torch.inference_mode():
        for batch in (batch for dataset in datasets for batch in _batches(dataset, tokenizer)):
            states = model.base_model(**batch.to(model.device)).last_hidden_state.float().cpu()
            is_token = batch["attention_mask"].bool().cpu()
            tokens = batch["input_ids"].cpu()[is_token]
            sums.index_add_(0, tokens, states[is_token])
            counts += torch.bincount(tokens, minlength=size)
    return sums / counts.clamp(min=1).unsqueeze(1), counts


def _batches(dataset: Path, tokenizer: PreTrainedTokenizerBase) -> Iterator[BatchEncoding]:
    """Yield the inputs of train in batches of similar length."""
    rows = features.read(dataset, "train")
    by_length = compute.sort_indices(compute.list_value_length(rows["input_ids"].combine_chunks()))
    for start in range(0, len(rows), BATCH_SIZE):
        chosen = rows.take(by_length[start : start + BATCH_SIZE])
        yield tokenizer.pad(chosen.to_pydict(), return_attention_mask=True, return_tensors="pt")


def reduce(averages: Tensor, counts: Tensor, dimensions: int) -> Tensor:
    """Return the principal components [vocabulary, dimensions] of averages [vocabulary, width], each token as often as it counts.

    Their mean over the texts is 0, and their mean length is 1. Tokens that do not count get the mean, which is 0.
    """
    weights = (counts / counts.sum()).unsqueeze(1)
    centred = (averages - (weights * averages).sum(dim=0)) * (counts > 0).unsqueeze(1)
    _, directions = torch.linalg.eigh((centred.T @ (weights * centred)).double())
    components = centred @ directions.flip(1)[:, :dimensions].float()
    return components / (weights.squeeze(1) * components.norm(dim=1)).sum()
