"""A number for a sentence or a pair of sentences, such as how similar the two are (STS-B)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from encoder_compression.data.sources.batches import Table
from encoder_compression.data.spool import Faults, Rows
from encoder_compression.data.tasks import sentences
from encoder_compression.data.tasks.labels import as_text as labels_as_text
from encoder_compression.data.tasks.text_calls import SentenceCalls

HUB_NAME = "text-classification"  # so the hub calls it; a head of one output
UNIT = "sentence"
SHOWN = ("pearson", "spearman")
RIGHT, SLICED = "", ""
SUSPECT = "the column of the labels (dataset.columns.label)"
TARGETS = {"label": "labels"}
ONCE = True


def clean(table: Table, split: str, options: dict, dropped: Counter) -> Iterator[pd.DataFrame]:
    """Yield the rows with a text; UserError where a label is no number."""
    faults = Faults(f"rows of split '{split}' ({table.name})")
    for rows in sentences.read(table, split, options["columns"], dropped):
        numbers = pd.to_numeric(labels_as_text(rows["label"]), errors="coerce").astype("float64")
        finite = np.isfinite(numbers)
        faults.add("no number as their label", ~finite, rows["id"] + " (" + rows["label"].map(repr) + ")")
        yield rows.assign(label=numbers.astype("float32"))[finite].reset_index(drop=True)
    faults.raise_first("a regression needs a number in every row")


def write(splits: dict[str, Rows], folder: Path, *, options: dict, head: list[str] | None, tokenizer, told_apart: bool) -> dict:
    """Write the splits; there is nothing more to know about the labels than their range on train."""
    reading = {"tokenizer": tokenizer, "max_length": options["max_length"], "told_apart": told_apart}
    described, warnings = sentences.write(splits, folder, label=lambda column: column, **reading)
    numbers = [number for number, count in splits["train"].count_labels().items() if count]
    foreign = (
        [f"The encoder's own head is for the classes {', '.join(head)}: it is left out, and steps that train get a new one."]
        if head
        else []
    )
    return {"label_range": [float(min(numbers)), float(max(numbers))]} | described | {"warnings": foreign + warnings}


def head(description: dict) -> dict:
    """Return that there is one output, trained by its squared error."""
    return {"num_labels": 1, "problem_type": "regression"}


def reduce(logits):
    """Return the logits as they are."""
    return logits


def possible(logits: np.ndarray, row: dict) -> np.ndarray:
    """Return the output [1] as it is."""
    return logits


def decode(dataset: Path, split: str, logits: list) -> dict[str, list]:
    """Return the predicted number of each example."""
    return sentences.read_labels(dataset, split) | {"prediction": [float(row[0]) for row in logits]}


def text_calls(dataset: Path, split: str, tokenizer: Tokenizer, description: dict) -> SentenceCalls:
    """Return calls that answer with a number."""
    return SentenceCalls(dataset, split, tokenizer, max_length=description["max_length"], answer_of=lambda logits: float(logits[0]))


def is_tuned(description: dict) -> bool:
    """A number needs no threshold."""
    return False


def tune(predictions: dict, validation: dict, metric: str) -> tuple[dict, dict]:
    """Return the predictions as they are, and nothing about them."""
    return predictions, {}


def is_constant(labels: np.ndarray, predictions: np.ndarray) -> bool:
    """Say whether all predictions are the same number, but for a hundredth of the labels' range: what rounding can do."""
    return bool(np.ptp(predictions) <= np.ptp(labels) / 100)


def best_constant(labels: np.ndarray, metric: str, description: dict) -> tuple[float, str]:
    """Return 0, as a constant has no correlation with anything."""
    return 0.0, "always predicting the same number"


def right(labels: np.ndarray, predictions: np.ndarray) -> None:
    """No number is right or wrong."""
    return


def kinds(labels: np.ndarray, description: dict) -> dict[str, np.ndarray]:
    """Return none: numbers have no kinds."""
    return {}


def _has_no_spread(labels: np.ndarray, predictions: np.ndarray) -> bool:
    """Say whether labels or predictions are constant, so that no correlation is defined; a resample of few labels can be."""
    return np.ptp(labels) == 0 or is_constant(labels, predictions)


def _pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    from scipy.stats import pearsonr

    return 0.0 if _has_no_spread(labels, predictions) else pearsonr(labels, predictions).statistic


def _spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return 0.0 if _has_no_spread(labels, predictions) else spearmanr(labels, predictions).statistic


CREDITS: dict = {}
SCORES = {"pearson": _pearson, "spearman": _spearman}
