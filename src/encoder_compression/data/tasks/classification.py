"""One class out of two or more for a sentence or a pair of sentences."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from encoder_compression.data.sources.batches import Table
from encoder_compression.data.spool import Faults, Rows
from encoder_compression.data.tasks import sentences
from encoder_compression.data.tasks.labels import Classes, find_classes
from encoder_compression.data.tasks.labels import as_text as labels_as_text
from encoder_compression.data.tasks.text_calls import SentenceCalls
from encoder_compression.errors import UserError

HUB_NAME = "text-classification"
UNIT = "sentence"
SHOWN = ("macro_f1",)
RIGHT, SLICED = "accuracy", "label"
SUSPECT = "the labels' order (dataset.label_map)"
TARGETS = {"label": "labels"}
ONCE = True
THRESHOLDS = 200  # that are tried between two classes
HIDDEN = "-1"
REMEDY = "so the hub hides the labels of a test split: name another split, or leave it out and let one be cut from 'train'"
EFFECTS = {
    "train": "no model can learn it",
    "validation": "the choice of the epoch does not see it",
    "test": "the scores do not tell how well it is recognized",
}


def clean(table: Table, split: str, options: dict, dropped: Counter) -> Iterator[pd.DataFrame]:
    """Yield the rows with a text and a label, as text. UserError where labels are missing, hidden or no single values.

    With ``options["threshold"]`` a numeric label becomes one of two classes, and rows without a side are dropped.
    """
    faults, labels = Faults(f"rows of split '{split}' ({table.name})"), set()
    for rows in sentences.read(table, split, options["columns"], dropped):
        raw, text = rows["label"], labels_as_text(rows["label"])
        examples = rows["id"] + " (" + raw.map(repr) + ")"
        faults.add("a list or record as their label, but a classification needs one class a text", text.isna(), examples)
        faults.add("no label", text.eq(""), examples)
        rows = rows.assign(label=text.fillna(""))
        rows = _cut_in_two(rows, options["threshold"], dropped, faults) if "threshold" in options else rows
        labels.update(rows["label"])
        yield rows
    faults.raise_first("mend the rows or take them out")
    if labels == {HIDDEN}:
        raise UserError(f"dataset: all labels of split '{split}' ({table.name}) are -1; {REMEDY}")


def _cut_in_two(rows: pd.DataFrame, threshold: float, dropped: Counter, faults: Faults) -> pd.DataFrame:
    rating = pd.to_numeric(rows["label"], errors="coerce")
    no_number = rating.isna() & rows["label"].ne("")
    faults.add("a label that is no number, which 'threshold' needs", no_number, rows["id"] + " (" + rows["label"] + ")")
    usable = rating.notna() & rating.ne(threshold)
    dropped["label is the threshold or no number"] += int((~usable).sum())
    return rows.assign(label=rating.gt(threshold).astype(int).astype("str"))[usable].reset_index(drop=True)


def write(splits: dict[str, Rows], folder: Path, *, options: dict, head: list[str] | None, tokenizer, told_apart: bool) -> dict:
    """Write the splits with labels 0…n-1, in the order of the encoder's own head where that has the same classes; returns facts."""
    counts = {name: rows.count_labels() for name, rows in splits.items()}
    labels = {label for split in counts.values() for label, count in split.items() if count}
    classes = find_classes(labels, label_map=options.get("label_map"), names=options.get("label_names"), head=head)
    _require_classes(classes, labels, options)
    number = classes.index_of.__getitem__
    reading = {"tokenizer": tokenizer, "max_length": options["max_length"], "told_apart": told_apart}
    described, warnings = sentences.write(splits, folder, label=lambda column: column.map(number).astype("int32"), **reading)
    warnings = [*_foreign(head, classes), *_numbered(classes), *_lacking(counts, classes), *warnings]
    tuned = {"tuned": True} if options.get("tune_threshold") else {}
    kept_head = {"head": classes.head} if classes.head else {}
    return {"labels": classes.names} | kept_head | described | tuned | {"warnings": warnings}


def _require_classes(classes: Classes, labels: set[str], options: dict) -> None:
    if len(classes.names) < 2:
        raise UserError(f"dataset: all rows have the same label {sorted(labels)}; a classification needs two or more")
    if options.get("tune_threshold") and len(classes.names) > 2:
        raise UserError(f"dataset: tune_threshold is for two classes, but there are {len(classes.names)}; take it out")


def _foreign(head: list[str] | None, classes: Classes) -> list[str]:
    """Say where the encoder has a head that is not for these classes."""
    if head is None or classes.head:
        return []
    head_names, names = ", ".join(head), ", ".join(classes.names)
    return [
        f"The encoder's own head is for the classes {head_names} and not for {names}: it is left out, and steps that train get a new one."
    ]


def _numbered(classes: Classes) -> list[str]:
    """Say which classes of the head numbers were taken for."""
    if not classes.numbered:
        return []
    pairs = ", ".join(f"{number} = {name}" for number, name in enumerate(classes.head))
    return [f"The labels are numbers and were taken for outputs of the encoder's own head: {pairs}. dataset.label_map says otherwise."]


def _lacking(counts: dict[str, dict[str, int]], classes: Classes) -> list[str]:
    """Say of which classes a split has no row: what train lacks is never learnt, what the others lack never counts."""
    sentences = []
    for name, split in counts.items():
        present = {classes.index_of[label] for label, count in split.items() if count}
        lacking = [f"'{called}'" for index, called in enumerate(classes.names) if index not in present]
        if lacking:
            sentences.append(f"{name} has no row of class {', '.join(lacking)}: {EFFECTS[name]}.")
    return sentences


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


def text_calls(dataset: Path, split: str, tokenizer: Tokenizer, description: dict) -> SentenceCalls:
    """Return calls that answer with the name of the likeliest class."""
    names = description["labels"]
    return SentenceCalls(dataset, split, tokenizer, max_length=description["max_length"], answer_of=lambda logits: names[logits.argmax()])


def is_tuned(description: dict) -> bool:
    """Where the study asks for it, validation says how likely the second class must be."""
    return description.get("tuned", False)


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
    "f1": _f1,
    "macro_f1": lambda labels, predictions: _f1(labels, predictions, average="macro", zero_division=0),
    "matthews": _matthews,
}
