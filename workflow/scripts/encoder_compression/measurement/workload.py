"""The test sentences as a runtime gets them: one by one in a fixed order, in batches of similar length, or on a fixed grid."""

import json
from pathlib import Path

import numpy as np

from encoder_compression import features

Batch = dict[str, np.ndarray]  # input_ids, attention_mask and perhaps token_type_ids, each int64 [size, length]


class Workload:
    """The tokenized test split of a prepared data set."""

    def __init__(self, dataset: Path):
        table = features.read(dataset, "test", "id", "label").to_pydict()
        self.ids, self.labels = table.pop("id"), table.pop("label")
        self.inputs = {name: [np.array(values, dtype=np.int64) for values in rows] for name, rows in table.items()}
        self.lengths = [len(ids) for ids in self.inputs["input_ids"]]
        description = json.loads((dataset / "dataset.json").read_text())
        self.pad_token_id, self.max_length = description["pad_token_id"], description["max_length"]

    def order(self) -> np.ndarray:
        """Return the order of single calls: shuffled with a fixed seed, the same for every variant."""
        return np.random.default_rng(0).permutation(len(self.ids))

    def single(self, index: int) -> Batch:
        """Return one sentence as a batch [1, length], without padding; indices beyond the last start again."""
        return self._pad([index % len(self.ids)])

    def batches(self, size: int, sentences: int | None = None):
        """Yield (indices, batch [size, length]), sorted by length and padded to the longest.

        ``sentences`` takes that many, spread evenly over the lengths, instead of all.
        """
        by_length = np.argsort(self.lengths, kind="stable")
        if sentences is not None:
            by_length = by_length[np.linspace(0, len(by_length) - 1, min(sentences, len(by_length)), dtype=int)]
        for start in range(0, len(by_length), size):
            chosen = by_length[start : start + size]
            yield chosen, self._pad(chosen)

    def block(self, size: int, length: int) -> Batch:
        """Return a batch [size, length] without padding, filled with the tokens of the split one after another."""
        blocks = {name: np.resize(np.concatenate(rows), (size, length)) for name, rows in self.inputs.items()}
        return blocks | {"attention_mask": np.ones((size, length), dtype=np.int64)}

    def _pad(self, chosen) -> Batch:
        shape = len(chosen), max(self.lengths[index] for index in chosen)
        batch = {name: np.full(shape, self.pad_token_id if name == "input_ids" else 0, dtype=np.int64) for name in self.inputs}
        batch["attention_mask"] = np.zeros(shape, dtype=np.int64)
        for row, index in enumerate(chosen):
            length = self.lengths[index]
            batch["attention_mask"][row, :length] = 1
            for name, rows in self.inputs.items():
                batch[name][row, :length] = rows[index]
        return batch
