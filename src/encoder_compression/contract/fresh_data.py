"""New examples for a delivery that was certified on others: its inputs, and labels as the task's scores take them."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.contract import written
from encoder_compression.contract.columns import find
from encoder_compression.data import tasks
from encoder_compression.data.sources.formats import open_table
from encoder_compression.data.sources.table import open_tables
from encoder_compression.data.tasks import sentences
from encoder_compression.data.tasks.labels import NUMBER, WHOLE, as_text, match
from encoder_compression.errors import UserError

SPLIT = "test"


@dataclass(frozen=True)
class Examples:
    """What predict.py takes, and the labels: class numbers, numbers, or lists of answers."""

    inputs: list
    labels: np.ndarray | list


def read(path: Path, certificate: dict, *, text: str | None, text_pair: str | None, label: str | None) -> Examples:
    """Return the examples of a table; columns that are not named are those of the study where the table has them.

    Labels may be the names of the classes, or be written as those of the study were. UserError where they are neither.
    """
    path, task = Path(path), certificate["task"]
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a .csv, .tsv, .txt, .json, .jsonl or .parquet")
    format = written.format_of(path)
    table = open_table(str(path), partial(path.open, "rb"), path.suffix, format, [])
    frame = pd.concat(table.batches(table.columns))
    columns = _columns(frame, certificate, {"text": text, "text_pair": text_pair, "label": label}, path)
    section = {"files": {SPLIT: str(path)}, "format": format, "columns": columns} | _threshold(frame, columns, certificate)
    rows = pd.concat(tasks.load(task).clean(open_tables(section, "dataset")[SPLIT], SPLIT, section, Counter()))
    if not len(rows):
        raise UserError(f"{path}: no row has a text; name its column by --text")
    if task == "question-answering":
        return Examples(rows[["question", "context"]].to_dict("records"), rows["answers"].tolist())
    roles = [role for role in sentences.TEXTS if role in rows]
    inputs = rows[roles[0]].tolist() if len(roles) == 1 else rows[roles].to_numpy().tolist()
    return Examples(inputs, _labels(rows["label"], certificate, path))


def _columns(frame: pd.DataFrame, certificate: dict, named: dict[str, str | None], path: Path) -> dict[str, str]:
    """Return the column of each role: as it is named, else as in the study, else as it looks."""
    of_study = certificate["data"]["columns"]
    given = {role: column for role, column in of_study.items() if column in frame} | {
        role: column for role, column in named.items() if column
    }
    if set(of_study) <= set(given):
        return given
    columns = find(frame, name=str(path), **{role: given.get(role) for role in named}, task=certificate["task"]).columns
    for role in of_study.keys() - columns.keys():
        option = f"--{role.replace('_', '-')}"
        raise UserError(f"{path} has no column '{of_study[role]}', which the study read as its {role}; name it by {option}")
    return columns


def _threshold(frame: pd.DataFrame, columns: dict[str, str], certificate: dict) -> dict:
    """Return the threshold that cuts a rating in two, where the study had one and this table has ratings in place of names."""
    held = certificate["data"].get("threshold")
    is_rating = held is not None and all(map(NUMBER.fullmatch, as_text(frame[columns["label"]]).fillna("a list")))
    return {"threshold": held} if is_rating else {}


def _labels(raw: pd.Series, certificate: dict, path: Path) -> np.ndarray:
    """Return the numbers of classes, or the numbers of a regression."""
    if certificate["task"] == "regression":
        return raw.to_numpy(dtype=float)
    classes, called = certificate["classes"], certificate["data"].get("label_map", {})
    names = sorted({str(called.get(label, label)) for label in raw})
    place_of = _places(names, classes)
    if place_of is None:
        raise UserError(
            f"{path}: the labels {', '.join(names[:5])} are not the model's classes {', '.join(classes)}; name their column by --label"
        )
    return np.array([place_of[str(called.get(label, label))] for label in raw])


def _places(names: list[str], classes: list[str]) -> dict[str, int] | None:
    """Return which class each label is: by name, or by number, counted from 0 or in their order; None where one is none of them."""
    places = {name: place for name in names for place, known in enumerate(classes) if match([name], [known], values=None) is not None}
    if len(places) == len(names):
        return places
    if not all(map(WHOLE.fullmatch, names)):
        return None
    numbers = {name: int(name.partition(".")[0]) for name in names}
    if len(numbers) == len(classes):
        return {name: place for place, name in enumerate(sorted(numbers, key=numbers.get))}
    return numbers if set(numbers.values()) <= set(range(len(classes))) else None
