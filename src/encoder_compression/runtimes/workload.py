"""The examples of a split as a runtime gets them: one by one in a fixed order, in batches of similar length, or on a fixed grid."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pyarrow import compute

from encoder_compression.data import features, tasks
from encoder_compression.data.sampling import spread

Batch = dict[str, np.ndarray]  # input_ids, attention_mask and perhaps token_type_ids, each int64 [size, length]


class Workload:
    """A tokenized split of a prepared data set. An example is one input, or all windows of a question."""

    def __init__(self, dataset: Path, split: str = "test"):
        table = features.read(dataset, split, "id")
        self.inputs = {name: table[name].combine_chunks() for name in features.INPUTS if name in table.column_names}
        self.lengths = compute.list_value_length(self.inputs["input_ids"]).to_numpy()
        ids = table["id"].combine_chunks()
        self.first = np.append(0, np.flatnonzero(compute.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)) + 1)
        description = tasks.describe(dataset)
        self.pad_token_id, self.max_length = description["pad_token_id"], description["max_length"]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.first)

    def order(self) -> np.ndarray:
        """Return the order of single calls: shuffled with a fixed seed, the same for every variant."""
        return np.random.default_rng(0).permutation(len(self))

    def single(self, index: int) -> Batch:
        """Return one example as a batch [its inputs, length]; indices beyond the last start again."""
        return self._pad(self._inputs_of(index % len(self)), 0)

    def _inputs_of(self, example: int) -> np.ndarray:
        """Return the inputs of an example, which follow each other."""
        end = self.first[example + 1] if example + 1 < len(self) else len(self.lengths)
        return np.arange(self.first[example], end)

    def single_lengths(self) -> np.ndarray:
        """Return the lengths of the examples that are one input."""
        return self.lengths[self.first[np.diff(np.append(self.first, len(self.lengths))) == 1]]

    def sample(self, count: int) -> list[np.ndarray]:
        """Return the inputs of so many examples, spread evenly over their lengths."""
        by_length = np.argsort(np.add.reduceat(self.lengths, self.first), kind="stable")
        return [self._inputs_of(example) for example in by_length[spread(count, len(by_length))]]

    def batches(self, size: int, inputs: np.ndarray, *, padded: bool) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield (inputs, batch [size, length]), sorted by length and padded to the longest of the batch, or that the study allows."""
        by_length = inputs[np.argsort(self.lengths[inputs], kind="stable")]
        for start in range(0, len(by_length), size):
            chosen = by_length[start : start + size]
            yield chosen, self._pad(chosen, self.max_length if padded else 0)

    def singles(self, inputs: list[np.ndarray] | None = None) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield (inputs, batch [its inputs, length]) of examples one by one, as a service gets them; of all, or of those given."""
        for chosen in map(self._inputs_of, range(len(self))) if inputs is None else inputs:
            yield chosen, self._pad(chosen, 0)

    def block(self, size: int, length: int) -> Batch:
        """Return a batch [size, length] without padding, filled with the tokens of the split one after another."""
        enough = max(1, size * length // int(self.lengths.mean()) + 1)
        blocks = {name: np.resize(rows[:enough].flatten().to_numpy(), (size, length)) for name, rows in self.inputs.items()}
        return {name: block.astype(np.int64) for name, block in blocks.items()} | {"attention_mask": np.ones((size, length), np.int64)}

    def _pad(self, chosen: np.ndarray, least: int) -> Batch:
        shape = len(chosen), max(least, *self.lengths[chosen])
        batch = {name: np.full(shape, self.pad_token_id if name == "input_ids" else 0, dtype=np.int64) for name in self.inputs}
        batch["attention_mask"] = np.zeros(shape, dtype=np.int64)
        for row, index in enumerate(chosen):
            length = self.lengths[index]
            batch["attention_mask"][row, :length] = 1
            for name, rows in self.inputs.items():
                batch[name][row, :length] = rows[int(index)].values.to_numpy()
        return batch
