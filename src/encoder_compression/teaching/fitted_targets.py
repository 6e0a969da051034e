"""The logits of another experiment's teacher for the rows of this one: found by their texts, whatever the two tokenizers make of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.data.features import write_tables
from encoder_compression.data.tasks import sentences
from encoder_compression.data.tasks.labels import match
from encoder_compression.errors import UserError
from encoder_compression.teaching import projected_spans
from encoder_compression.teaching.soft_targets import CHUNK, FILE_NAME, in_rows

SHOWN = 3  # examples that are named where some are missing
QUESTIONS = "question-answering"


def fit_logits(*, logits: Path, read: Path, labels: Path, rows: Path, dataset: Path, output: Path) -> dict:
    """Write ``output/logits.parquet``, as `soft_targets.predict_soft_targets` writes it, for every row of ``rows``; returns facts.

    ``logits`` are those of a teacher on ``read``, the rows of its own experiment, whose data set is ``labels``; ``dataset`` is that of
    the student. Classes are brought into the student's order by their names, spans to the student's tokens (`projected_spans`). A row
    of unlabeled texts that the teacher has not read has no soft target: -inf for all classes, NaN for a number. UserError where the
    classes have other names, or where the teacher has not read an example of ``dataset``.
    """
    if tasks.describe(dataset)["task"] == QUESTIONS:
        projected = projected_spans.project_all(logits=Path(logits) / FILE_NAME, read=read, rows=rows)
        return {"inputs": write_tables(projected, Path(output) / FILE_NAME), "without": 0}
    table = parquet.read_table(Path(logits) / FILE_NAME, columns=["logits"])
    answers = np.array(table["logits"].to_pylist(), dtype=np.float32)[:, _order(dataset, labels)]
    places = find(sentences.text_keys(rows), sentences.text_keys(read))
    if Path(rows) == Path(dataset):
        _require_all(places, rows, read)
    return write_found(answers, places, rows=rows, output=output)


def _order(dataset: Path, labels: Path) -> list[int]:
    """Return for each class of the student's data set, or for its number, the teacher's output; UserError where names differ."""
    names, theirs = (tasks.describe(folder).get("labels") for folder in (dataset, labels))
    if names is None:
        return [0]
    order = match(names, theirs, values=None)
    if order is None:
        raise UserError(
            f"the teacher's classes {theirs} of {labels} are not those of {dataset}, {names}; "
            "name them alike by 'label_names' or 'label_map' of either experiment's 'dataset'"
        )
    return order


def find(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the place of each key among the ``known`` ones, which are all different, and -1 where it is not among them; [keys]."""
    return pd.Index(known).get_indexer(keys)


def _require_all(places: np.ndarray, rows: Path, read: Path) -> None:
    missing = np.flatnonzero(places < 0)
    if len(missing):
        ids = parquet.read_table(Path(rows) / "train.parquet", columns=["id"])["id"].take(missing[:SHOWN]).to_pylist()
        raise UserError(
            f"{len(missing)} of {len(places)} examples of train in {rows} are not in that of {read}, from which the teacher comes: "
            f"{', '.join(ids)}; give both experiments the same data"
        )


def write_found(answers: np.ndarray, places: np.ndarray, *, rows: Path, output: Path) -> dict:
    """Write the ``answers`` [known, outputs] at ``places`` for every row of train in ``rows``, in its order; returns facts.

    A place of -1 leaves a row without a soft target: -inf for all classes, NaN for a number.
    """
    absent = np.full((1, answers.shape[1]), np.nan if answers.shape[1] == 1 else -np.inf, np.float32)
    fitted = np.concatenate([answers, absent])[places]  # -1 is the last
    ids = parquet.read_table(Path(rows) / "train.parquet", columns=["id"])["id"]
    count = write_tables(_parts(ids, fitted), Path(output) / FILE_NAME)
    return {"inputs": count, "without": int((places < 0).sum())}


def _parts(ids: pa.ChunkedArray, logits: np.ndarray) -> Iterator[pa.Table]:
    for start in range(0, len(ids), CHUNK):
        part = slice(start, start + CHUNK)
        yield pa.table({"id": ids[part], "logits": [in_rows(row) for row in logits[part]]})
