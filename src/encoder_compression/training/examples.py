"""What a model is trained and validated on: the splits of a prepared data set as arguments of the model."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset
from pyarrow import compute

from encoder_compression.data import features, tasks
from encoder_compression.statistics import quality
from encoder_compression.training.mlm_masks import DynamicMlmMasks

Examples = Dataset | DynamicMlmMasks


def of_train(dataset: Path, seed: int) -> Examples:
    """Return train with its labels; where words are to be guessed, others in each epoch, chosen with the seed."""
    return DynamicMlmMasks(dataset, seed) if has_mlm_masks(dataset) else read_train(dataset, {})


def has_mlm_masks(dataset: Path) -> bool:
    """Return whether a data set is a corpus for masked language modeling, which has MLM masks and no labels of its own."""
    return "masking" in tasks.describe(dataset)


def read_train(dataset: Path, columns: dict[str, pa.ChunkedArray]) -> Dataset:
    """Return train with further ``columns``, a row per input."""
    table = _read_split(dataset, "train")
    for name, values in columns.items():
        table = table.append_column(name, values)
    return Dataset(table)


def _read_split(dataset: Path, split: str) -> pa.Table:
    targets = tasks.of_dataset(dataset).TARGETS
    table = features.read(dataset, split, *targets)
    return table.rename_columns([targets.get(name, name) for name in table.column_names])


def lengths(examples: Examples) -> np.ndarray:
    """Return how many tokens each input has, [inputs]."""
    if isinstance(examples, DynamicMlmMasks):
        return np.array(examples.lengths)
    return compute.list_value_length(examples.with_format("arrow")[:]["input_ids"]).to_numpy()


class Validation:
    """The validation split in the order of its lengths, where similar ones together halve the padding."""

    def __init__(self, dataset: Path, metric: str):
        self.dataset, self.metric = dataset, metric
        quality.require_defined(metric, tasks.describe(dataset))
        inputs = Dataset(_read_split(dataset, "validation"))
        self.order = np.argsort(lengths(inputs), kind="stable")
        self.data = inputs.select(self.order)

    def score(self, outputs: np.ndarray | tuple[np.ndarray, ...]) -> float:
        """Return the score of predictions: logits [n, classes], or [n, length] of starts and of ends, or guessed tokens [n, length]."""
        logits = np.stack(outputs, axis=1) if isinstance(outputs, tuple) else outputs
        return quality.score_logits(self.dataset, "validation", self.metric, logits[np.argsort(self.order)])
