"""Start and end logits of a teacher brought from its tokens to those of a student, through the characters that both stand for.

A start goes to the student's token that has the first character of the teacher's token, an end to the one that has the last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data.tasks.question_answering import PLACES, question_keys
from encoder_compression.errors import UserError

NO_MASS = -1e4  # the logit of a choice that is possible and has no mass, in float32 exactly 0 at any temperature below 100
CHUNK = 5000  # windows that are held as Python objects at a time


@dataclass(frozen=True)
class Window:
    """A window of `windows.cut`: ``length`` tokens, those of the context from ``context_first`` on at ``starts``…``ends`` in its text."""

    length: int
    context_first: int
    starts: np.ndarray
    ends: np.ndarray

    def overlap(self, window: "Window") -> int:
        """Return how many characters of the context both windows hold; 0 or less for none."""
        if not len(self.starts) or not len(window.starts):
            return 0
        return int(min(self.ends[-1], window.ends[-1]) - max(self.starts[0], window.starts[0]))

    def of_context(self, logits: np.ndarray) -> np.ndarray:
        """Return those of logits [2, length] that are of the context's tokens, [2, tokens]."""
        return logits[:, self.context_first : self.context_first + len(self.starts)]

    def has_tokens_of(self, window: "Window") -> bool:
        """Return whether the tokens of the context are those of another window, by their characters."""
        return np.array_equal(self.starts, window.starts) and np.array_equal(self.ends, window.ends)

    def holds(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return which of so many stretches of the context lie in the window, at least in part."""
        if not len(self.starts):
            return np.zeros(len(starts), bool)
        return (ends > self.starts[0]) & (starts < self.ends[-1])


def project_all(*, logits: Path, read: Path, rows: Path) -> Iterator[pa.Table]:
    """Yield id and logits [2, length] of every window of train in ``rows``, in its order.

    ``logits`` is the file of a teacher's logits on the windows of ``read``. UserError where it has not read one of the questions.
    """
    _require_same_questions(rows, read)
    theirs, answers = _windows(read), _spans(logits)
    of_question = pd.Series(range(len(theirs["id"]))).groupby(theirs["id"], sort=False).indices
    ours = _windows(rows)
    for first in range(0, len(ours["id"]), CHUNK):
        ids, windows = (ours[name][first : first + CHUNK] for name in ("id", "window"))
        read_windows = ([(theirs["window"][place], answers[place]) for place in of_question[identity]] for identity in ids)
        projected = [list(project(*pair)) for pair in zip(windows, read_windows, strict=True)]
        yield pa.table({"id": ids, "logits": pa.array(projected, pa.list_(pa.list_(pa.float32())))})


def project(window: Window, teacher: list[tuple[Window, np.ndarray]]) -> np.ndarray:
    """Return the start and end logits [2, length] for a student's window, from those [2, length] for the teacher's of its question.

    The mass of each of the teacher's distributions is kept: what lies outside of the student's window goes to the first token, which
    stands for "no answer" there. Where both windows have the same tokens, all stays as it is. Where one of the teacher's holds all of the
    student's, that one alone is used; else the gaps are filled from others, and "no answer" is as likely as in the window where it is
    least so, as `spans.decode` has it. Tokens where no answer can begin or end have -inf.
    """
    projected = np.full((2, window.length), -np.inf)
    context = slice(window.context_first, window.context_first + len(window.starts))
    same = next((pair for pair in teacher if pair[0].has_tokens_of(window)), None)
    if same:  # also the tokens of blanks and of single bytes, which have no characters of their own
        projected[:, 0], projected[:, context] = same[1][:, 0], same[0].of_context(same[1])
        return projected.astype(np.float32)
    projected[:, context] = NO_MASS
    none, starts, ends, logits = _choices(window, teacher)
    inside = window.holds(starts, ends)
    first = np.searchsorted(window.ends, starts[inside], side="right")
    last = np.searchsorted(window.starts, ends[inside], side="left") - 1
    for side, tokens in enumerate((first, last)):
        np.logaddexp.at(projected[side], window.context_first + tokens, logits[side, inside])
        projected[side, 0] = np.logaddexp.reduce([none[side], *logits[side, ~inside]])
    return projected.astype(np.float32)


def _choices(window: Window, teacher: list[tuple[Window, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the teacher's logits [2] of "no answer", and its tokens' starts and ends in the text [n] with their logits [2, n].

    A token that several windows hold is taken from the one that has most of the student's window.
    """
    used, chosen = [], []
    for read, logits in sorted(teacher, key=lambda pair: -pair[0].overlap(window)):
        new = ~np.logical_or.reduce([np.zeros(len(read.starts), bool), *(earlier.holds(read.starts, read.ends) for earlier in used)])
        if used and not (new & window.holds(read.starts, read.ends)).any():
            continue
        used.append(read)
        chosen.append((logits[:, 0], read.starts[new], read.ends[new], read.of_context(logits)[:, new]))
    nulls, starts, ends, values = zip(*chosen, strict=True)
    none = min(nulls, key=lambda logits: logits.sum()).astype(np.float64)
    return none, np.concatenate(starts), np.concatenate(ends), np.concatenate(values, axis=1).astype(np.float64)


def _windows(dataset: Path) -> dict[str, list]:
    """Return "id" of the question and "window" of each row of train."""
    table = parquet.read_table(Path(dataset) / "train.parquet", columns=["id", "input_ids", *PLACES])
    lengths = np.diff(table["input_ids"].combine_chunks().offsets.to_numpy()).tolist()
    places = zip(lengths, table["context_first"].to_pylist(), *(_lists(table[name]) for name in PLACES[1:]), strict=True)
    return {"id": table["id"].to_pylist(), "window": [Window(*place) for place in places]}


def _lists(column: pa.ChunkedArray) -> list[np.ndarray]:
    lists = column.combine_chunks()
    offsets = lists.offsets.to_numpy()
    return np.split(lists.values.to_numpy(zero_copy_only=False), offsets[1:-1]) if len(lists) else []


def _spans(logits: Path) -> list[np.ndarray]:
    """Return the logits [2, length] of each row of a file of soft targets."""
    rows = parquet.read_table(logits, columns=["logits"])["logits"].combine_chunks()
    sides = _lists(pa.chunked_array([rows.values]))
    return [np.stack(sides[index : index + 2]) for index in range(0, len(sides), 2)]


def _require_same_questions(rows: Path, read: Path) -> None:
    ours, theirs = question_keys(rows), question_keys(read)
    missing = [identity for identity, key in ours.items() if theirs.get(identity) != key]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(ours)} questions of train in {rows} are not in that of {read}, from which the teacher comes: "
            f"{', '.join(missing[:3])}; give both experiments the same data"
        )
