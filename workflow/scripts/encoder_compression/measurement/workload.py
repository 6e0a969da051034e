"""The examples of a split as a runtime gets them: one by one in a fixed order, in batches of similar length, or on a fixed grid."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from encoder_compression import features, tasks

Batch = dict[str, np.ndarray]  # input_ids, attention_mask and perhaps token_type_ids, each int64 [size, length]


class Workload:
    """A tokenized split of a prepared data set. An example is one input, or all windows of a question."""

    def __init__(self, dataset: Path, split: str = "test"):
        table = features.read(dataset, split, "id").to_pydict()
        ids = np.array(table.pop("id"))
        self.inputs = {name: [np.array(values, dtype=np.int64) for values in rows] for name, rows in table.items()}
        self.lengths = np.array([len(row) for row in self.inputs["input_ids"]])
        first = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        self.examples = np.split(np.arange(len(ids)), first[1:])  # the inputs of each example
        description = tasks.describe(dataset)
        self.pad_token_id, self.max_length = description["pad_token_id"], description["max_length"]

    def order(self) -> np.ndarray:
        """Return the order of single calls: shuffled with a fixed seed, the same for every variant."""
        return np.random.default_rng(0).permutation(len(self.examples))

    def single(self, index: int) -> Batch:
        """Return one example as a batch [its inputs, length]; indices beyond the last start again."""
        return self._pad(self.examples[index % len(self.examples)], 0)

    def single_lengths(self) -> np.ndarray:
        """Return the lengths of the examples that are one input."""
        return self.lengths[[inputs[0] for inputs in self.examples if len(inputs) == 1]]

    def sample(self, count: int) -> list[np.ndarray]:
        """Return the inputs of so many examples, spread evenly over their lengths."""
        by_length = np.argsort([self.lengths[inputs].sum() for inputs in self.examples], kind="stable")
        return [self.examples[index] for index in by_length[np.linspace(0, len(by_length) - 1, min(count, len(by_length)), dtype=int)]]

    def batches(self, size: int, inputs: np.ndarray, *, padded: bool) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield (inputs, batch [size, length]), sorted by length and padded to the longest of the batch, or that the study allows."""
        by_length = inputs[np.argsort(self.lengths[inputs], kind="stable")]
        for start in range(0, len(by_length), size):
            chosen = by_length[start : start + size]
            yield chosen, self._pad(chosen, self.max_length if padded else 0)

    def block(self, size: int, length: int) -> Batch:
        """Return a batch [size, length] without padding, filled with the tokens of the split one after another."""
        enough = max(1, size * length // int(self.lengths.mean()) + 1)
        blocks = {name: np.resize(np.concatenate(rows[:enough]), (size, length)) for name, rows in self.inputs.items()}
        return blocks | {"attention_mask": np.ones((size, length), dtype=np.int64)}

    def _pad(self, chosen: np.ndarray, least: int) -> Batch:
        shape = len(chosen), max(least, *self.lengths[chosen])
        batch = {name: np.full(shape, self.pad_token_id if name == "input_ids" else 0, dtype=np.int64) for name in self.inputs}
        batch["attention_mask"] = np.zeros(shape, dtype=np.int64)
        for row, index in enumerate(chosen):
            length = self.lengths[index]
            batch["attention_mask"][row, :length] = 1
            for name, rows in self.inputs.items():
                batch[name][row, :length] = rows[index]
        return batch
