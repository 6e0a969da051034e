"""Blocks of train with other masked tokens in each epoch: dynamic masking, as in RoBERTa (Liu et al. 2019, section 4.1)."""

from pathlib import Path

import numpy as np
import torch

from encoder_compression.data import features, tasks
from encoder_compression.data.features import IGNORED
from encoder_compression.data.tasks.mlm_masking import MlmMasking


class DynamicMlmMasks(torch.utils.data.Dataset):
    """The blocks of a corpus; a block's MLM mask is a function of seed, epoch and the block's place, so a resumed epoch repeats it."""

    def __init__(self, dataset: Path, seed: int):
        table = features.read(dataset, "train", "words")
        self.columns = {name: _matrix(table[name].combine_chunks()) for name in table.column_names}
        self.mlm_masking = MlmMasking(**tasks.describe(dataset)["masking"])
        self.seed, self.epoch = seed, 0

    @property
    def lengths(self) -> list[int]:
        """The lengths of all blocks, which are one."""
        count, length = self.columns["input_ids"].shape
        return [length] * count

    def set_epoch(self, epoch: int) -> None:
        """Called by the sampler before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch, index])
        row = {name: values[index] for name, values in self.columns.items()}
        masked, labels = self.mlm_masking.apply(row["input_ids"], row.get("words"), generator)
        return {"input_ids": masked.tolist(), "labels": labels.tolist(), "attention_mask": [1] * len(masked)}


def _matrix(lists) -> np.ndarray:
    """Return a column of lists of one length as a matrix."""
    return lists.flatten().to_numpy().reshape(len(lists), -1)


def guesses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the likeliest token [batch, length] at each masked place, where logits [1, places, vocabulary] are of these alone."""
    masked_labels = torch.full_like(labels, IGNORED)
    masked_labels[labels != IGNORED] = logits[0].argmax(-1).to(labels.dtype)
    return masked_labels
