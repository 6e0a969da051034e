"""Soft targets from outside, such as those of a large language model: tables of texts and a probability of each class."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.data import tasks
from encoder_compression.data.sources.batches import Table
from encoder_compression.data.sources.table import joined, open_tables
from encoder_compression.data.spool import keys
from encoder_compression.data.tasks import sentences
from encoder_compression.errors import UserError, nearest
from encoder_compression.teaching.fitted_targets import SHOWN, find, write_found
from encoder_compression.teaching.projected_spans import NO_MASS

TOLERANCE = 0.01  # how far from 1 the probabilities of a text may add up: what rounding to two digits can do


def fit_probabilities(*, options: dict, rows: Path, dataset: Path, output: Path) -> dict:
    """Write ``output/logits.parquet``: the logarithms of probabilities for every row of train in ``rows``; returns facts.

    ``options`` is the section ``soft_targets`` of a step, ``dataset`` names the classes. Rows are found by their texts; those that the
    tables lack, or have without any number, get no soft target. Of a repeated text the first row counts. UserError where a column is
    missing, where a text has some numbers and not all, where one is below 0, where they do not add up to 1, or where no text is found;
    of train none need be where the student reads unlabeled texts, too.
    """
    classes = tasks.describe(dataset)["labels"]
    columns = _columns(classes, options["classes"])
    table = joined(list(open_tables(options, "soft_targets").values()))
    _require_columns(table, columns)
    parts = list(_read(table, options["columns"], [columns[name] for name in classes]))
    given, probabilities = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    _check(probabilities, table.name)
    usable = ~np.isnan(probabilities[:, 0]) & ~pd.Series(given).duplicated().to_numpy()
    given, probabilities = given[usable], probabilities[usable]
    wanted = sentences.text_keys(rows)
    places = find(wanted, given)
    if (places < 0).all() and (Path(rows) != Path(dataset) or not options["unlabelled"]):
        raise UserError(
            f"soft_targets: {table.name} has none of the {len(wanted)} texts of {rows}; give the texts as the data set has them"
        )
    facts = write_found(_logits(probabilities), places, rows=rows, output=output)
    return facts | {"unused": int((~np.isin(given, wanted)).sum())}


def _columns(classes: list[str], named: dict[str, str]) -> dict[str, str]:
    """Return the column of each class; UserError where one is named for what is no class."""
    for name in named:
        if name not in classes:
            raise UserError(f"soft_targets.classes: the data set has no class '{name}'{nearest(name, classes)}")
    return {name: named.get(name, name) for name in classes}


def _require_columns(table: Table, columns: dict[str, str]) -> None:
    for name, column in columns.items():
        if column not in table.columns:
            remedy = f"{nearest(column, table.columns)}; 'classes' of soft_targets names the column of a class"
            raise UserError(f"soft_targets: {table.name} has no column '{column}' for the class '{name}'{remedy}")


def _read(table: Table, columns: dict[str, str], of_classes: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield keys of texts [rows] and probabilities [rows, classes], NaN where there is none; UserError for what is no number."""
    for batch in table.batches([*columns.values(), *of_classes]):
        texts = [sentences.stripped(batch[columns[role]]) for role in sentences.TEXTS if role in columns]
        written = batch[of_classes].apply(sentences.stripped)
        numbers = written.apply(pd.to_numeric, errors="coerce")
        wrong = numbers.isna() & written.ne("")
        if wrong.to_numpy().any():
            row, column = np.argwhere(wrong.to_numpy())[0]
            raise UserError(
                f"soft_targets: row {batch.index[row]} of {table.name} has '{written.iloc[row, column]}' in column "
                f"'{of_classes[column]}'; give a probability, or leave the cells of the row empty"
            )
        yield keys(sentences.join_texts(texts)), numbers.to_numpy(dtype=np.float64)


def _check(probabilities: np.ndarray, name: str) -> None:
    """Raise UserError where the probabilities of a row [classes] are some and not all, below 0, or do not add up to 1."""
    missing = np.isnan(probabilities)
    faults = {
        "a probability for some of the classes and not for all": missing.any(axis=1) & ~missing.all(axis=1),
        "a probability below 0": (probabilities < 0).any(axis=1),
        "probabilities that do not add up to 1": np.abs(probabilities.sum(axis=1) - 1) > TOLERANCE,
    }
    for fault, wrong in faults.items():
        if wrong.any():
            first = ", ".join(
                f"row {row} ({' '.join(f'{value:g}' for value in probabilities[row])})" for row in np.flatnonzero(wrong)[:SHOWN]
            )
            remedy = "mend the rows, or leave the cells of those empty that are to have none"
            raise UserError(f"soft_targets: {wrong.sum()} rows of {name} have {fault}: {first}; {remedy}")


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Return logits whose softmax is the probabilities [rows, classes]."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities / probabilities.sum(axis=1, keepdims=True))
    return np.maximum(logits, NO_MASS).astype(np.float32)
