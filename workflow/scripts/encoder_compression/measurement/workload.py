"""The test sentences as a runtime gets them: one by one in a fixed order, in batches of similar length, or on a fixed grid."""

import json
from pathlib import Path

import numpy as np
from pyarrow import parquet


class Workload:
    """The tokenized test split of a prepared data set."""

    def __init__(self, dataset: Path):
        table = parquet.read_table(dataset / "test.parquet", columns=["id", "label", "input_ids"])
        self.ids = table["id"].to_pylist()
        self.labels = table["label"].to_pylist()
        self.sentences = [np.array(ids, dtype=np.int64) for ids in table["input_ids"].to_pylist()]
        description = json.loads((dataset / "dataset.json").read_text())
        self.pad_token_id, self.max_length = description["pad_token_id"], description["max_length"]

    def order(self) -> np.ndarray:
        """Return the order of single calls: shuffled with a fixed seed, the same for every variant."""
        return np.random.default_rng(0).permutation(len(self.sentences))

    def single(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and mask [1, length] of one sentence, without padding; indices beyond the last start again."""
        ids = self.sentences[index % len(self.sentences)][None]
        return ids, np.ones_like(ids)

    def batches(self, size: int, sentences: int | None = None):
        """Yield (indices, ids, mask) with ids and mask [size, length], sorted by length and padded to the longest.

        ``sentences`` takes that many, spread evenly over the lengths, instead of all.
        """
        by_length = np.argsort([len(sentence) for sentence in self.sentences], kind="stable")
        if sentences is not None:
            by_length = by_length[np.linspace(0, len(by_length) - 1, min(sentences, len(by_length)), dtype=int)]
        for start in range(0, len(by_length), size):
            chosen = by_length[start : start + size]
            longest = max(len(self.sentences[index]) for index in chosen)
            ids = np.full((len(chosen), longest), self.pad_token_id, dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(chosen):
                ids[row, : len(self.sentences[index])] = self.sentences[index]
                mask[row, : len(self.sentences[index])] = 1
            yield chosen, ids, mask

    def block(self, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and mask [size, length] without padding, filled with the tokens of the split one after another."""
        ids = np.resize(np.concatenate(self.sentences), (size, length))
        return ids, np.ones_like(ids)
