"""One class out of two or more for a sentence or a pair of sentences."""

from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.errors import UserError
from encoder_compression.tasks import sentences

AUTO_CLASS = "AutoModelForSequenceClassification"
HUB_NAME = "text-classification"
UNIT = "sentence"
SHOWN = ("macro_f1",)
RIGHT, SLICED = "accuracy", "label"
SUSPECT = "the labels' order (dataset.label_map)"
TARGETS = {"label": "labels"}
THRESHOLDS = 200  # that are tried between two classes


def clean(table: pd.DataFrame, split: str, options: dict) -> pd.DataFrame:
    """Return the rows with a text and a label; of repeated texts the first. UserError where labels are hidden or no classes.

    With ``options["threshold"]`` a numeric label becomes one of two classes, and rows without a side are dropped.
    """
    rows = sentences.read(table, split, options["columns"])
    rows = _cut_in_two(rows, options["threshold"]) if "threshold" in options else _checked(rows, split)
    return sentences.without_repeats(rows)


def _cut_in_two(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    rating = pd.to_numeric(rows["label"], errors="coerce")
    usable = rating.notna() & rating.ne(threshold)
    rows.attrs["dropped"]["label is the threshold or no number"] = int((~usable).sum())
    return rows[usable].assign(label=rating[usable].gt(threshold).astype(int))


def _checked(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows with whole numbers as such; names of classes stay as they are."""
    numbers = pd.to_numeric(rows["label"], errors="coerce")
    missing = rows["label"].isna() | rows["label"].eq("") | numbers.eq(-1)
    remedy = "-1 is how the hub hides the labels of a test split: name another split, or leave it out and let one be cut from 'train'"
    sentences.require_labels(rows, split, missing, remedy)
    if numbers.isna().any():
        return rows.assign(label=rows["label"].astype(str))
    remedy = "classes are whole numbers or names; set 'threshold' to cut a rating in two, or 'task: regression'"
    sentences.require_labels(rows, split, numbers.mod(1).ne(0), remedy)
    return rows.assign(label=numbers.astype(int))


def write(splits: dict[str, pd.DataFrame], folder: Path, *, tokenizer, options: dict, told_apart: bool) -> dict:
    """Write the splits with labels 0…n-1 in the order of their sorted names; returns what the classes are called."""
    labels = sorted(set().union(*(split["label"] for split in splits.values())))
    if len(labels) < 2:
        raise UserError(f"dataset: all rows have the same label {labels}; a classification needs two or more")
    tuned = options.get("tune_threshold", False)
    if tuned and len(labels) > 2:
        raise UserError(f"dataset: tune_threshold is for two classes, but there are {len(labels)}; take it out")
    names = _class_names(labels, options.get("label_names"))
    numbered = {name: split.assign(label=split["label"].map(labels.index).astype("int32")) for name, split in splits.items()}
    written = sentences.write(numbered, folder, tokenizer=tokenizer, max_length=options["max_length"], told_apart=told_apart)
    return {"labels": names} | written | ({"tuned": True} if tuned else {})


def _class_names(labels: list, given: list[str] | None) -> list[str]:
    """Return what the classes are called: as ``given``, in the order of the sorted labels, or by the labels themselves."""
    if given is not None and len(given) != len(labels):
        raise UserError(
            f"dataset: 'label_names' has {len(given)} names for {len(labels)} labels {labels}; give one for each, in this order"
        )
    return given or [str(label) for label in labels]


def head(description: dict) -> dict:
    """Return the number of classes and what they are called."""
    names = description["labels"]
    named = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    return {"num_labels": len(names), "problem_type": "single_label_classification", **named}


def reduce(logits):
    """Return the logits as they are."""
    return logits


def possible(logits: np.ndarray, row: dict) -> np.ndarray:
    """Return the logits [classes] as they are: every class can be chosen."""
    return logits


def decode(dataset: Path, split: str, logits: list) -> dict[str, list]:
    """Return the most probable class of each example beside its logits [classes]."""
    return sentences.read_labels(dataset, split) | {
        "prediction": [int(np.argmax(row)) for row in logits],
        "logits": np.asarray(logits).tolist(),
    }


def is_tuned(description: dict) -> bool:
    """Where the study asks for it, validation says how likely the second class must be."""
    return "tuned" in description


def tune(predictions: dict, validation: dict, metric: str) -> tuple[dict, dict]:
    """Return the predictions with the second of two classes where its log-odds are over the threshold that is best on validation."""
    threshold = _best_threshold(_log_odds(validation), np.array(validation["label"]), metric)
    return predictions | {"prediction": (_log_odds(predictions) > threshold).astype(int).tolist()}, {"class_threshold": threshold}


def _log_odds(predictions: dict) -> np.ndarray:
    return np.diff(np.array(predictions["logits"]), axis=1)[:, 0]


def _best_threshold(log_odds: np.ndarray, labels: np.ndarray, metric: str) -> float:
    """Return the threshold with the best score among so many quantiles of the log-odds and even odds; of equal ones the nearest to even."""
    quantiles = np.unique(np.quantile(log_odds, np.linspace(0, 1, THRESHOLDS)))
    candidates = sorted([0.0, *quantiles], key=abs)
    score = SCORES.get(metric) or (lambda labels, predictions: right(labels, predictions).mean())
    return float(max(candidates, key=lambda threshold: score(labels, (log_odds > threshold).astype(int))))


def is_constant(labels, predictions) -> bool:
    """Say whether every example gets the same prediction."""
    return len(set(predictions)) == 1


def best_constant(labels: np.ndarray, metric: str, description: dict) -> tuple[float, str]:
    """Return the score of the class that scores best when every example gets it, and that in words."""
    score = CREDITS.get(metric) or SCORES[metric]
    scores = {name: float(np.mean(score(labels, np.full(len(labels), index)))) for index, name in enumerate(description["labels"])}
    best = max(scores, key=scores.get)
    return scores[best], f"always predicting '{best}'"


def right(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return which predictions [n] are the label."""
    return labels == predictions


def _f1_of_second(labels, predictions) -> float:
    if max(labels.max(), predictions.max()) > 1:
        raise UserError("metric: f1 is that of the second of two classes, but here are more; take macro_f1")
    return _f1(labels, predictions)


def _f1(labels, predictions, **options) -> float:
    from sklearn.metrics import f1_score

    return f1_score(labels, predictions, **options)


def _matthews(labels, predictions) -> float:
    from sklearn.metrics import matthews_corrcoef

    return matthews_corrcoef(labels, predictions)


def kinds(labels: np.ndarray, description: dict) -> dict[str, np.ndarray]:
    """Return which examples are of each class."""
    return {name: labels == index for index, name in enumerate(description["labels"])}


CREDITS = {"accuracy": right}
SCORES = {
    "f1": _f1_of_second,
    "macro_f1": lambda labels, predictions: _f1(labels, predictions, average="macro", zero_division=0),
    "matthews": _matthews,
}
