"""Rows on their way from a source into splits: in a file, with as much in memory as tells one row from another."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from encoder_compression.data.sources.batches import Table
from encoder_compression.errors import UserError

SHOWN = 3  # examples of what is wrong with rows


class Spool:
    """Rows of one table in a file of Arrow batches; per row its keys and the code of its label stay in memory.

    ``sources`` are the keys of what must not be in two splits, ``groups`` those of what is cut together, both [rows]; without
    a column "group" each source is its own, and "source" itself is not kept.
    ``labels`` are codes [rows] of the labels in ``codes``, which several spools share. ``usable`` says which rows may be in a
    split, ``dropped`` counts others by the reason, ``table`` is what they come from.
    """

    def __init__(self, path: Path, table: Table, frames: Iterator[pd.DataFrame], *, codes: dict, dropped: Counter):
        self.path, self.table, self.codes, self.dropped = path, table, codes, dropped
        parts = [part for frame in self._written(frames) if (part := self._remember(frame))]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0, np.int64)] * 3
        self.sources, self.groups, self.labels = columns
        self.usable = np.ones(len(self.sources), bool)
        self.contradictions = 0

    def _written(self, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield the frames once they are in the file."""
        writer = schema = None
        for frame in frames:
            kept = frame.drop(columns="source")
            table = pa.Table.from_pandas(kept, preserve_index=False, schema=schema).replace_schema_metadata(None)
            schema = table.schema
            writer = writer or pa.ipc.new_file(str(self.path), schema)
            writer.write_table(table)
            yield frame
        if writer:
            writer.close()

    def _remember(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sources = keys(frame["source"])
        groups = keys(frame["group"]) if "group" in frame else sources
        return sources, groups, self._encode(frame["label"]) if "label" in frame else np.zeros(len(frame), np.int32)

    def _encode(self, labels: pd.Series) -> np.ndarray:
        """Return the codes [rows] of labels; a new label gets the next code."""
        places, distinct = pd.factorize(labels)
        return np.array([self.codes.setdefault(label, len(self.codes)) for label in distinct], np.int32)[places]

    def __len__(self) -> int:
        return len(self.sources)

    def keep_first(self) -> None:
        """Leave of rows with one source the first alone usable, and count those that have another label."""
        rows = pd.DataFrame({"source": self.sources, "label": self.labels})
        repeated = rows["source"].duplicated()
        self.contradictions = int((repeated & ~rows.duplicated()).sum())
        self.usable &= ~repeated.to_numpy()
        self.dropped["repeated text"] = int(repeated.sum())

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield all rows in batches, in their order."""
        if not len(self):
            return
        with pa.OSFile(str(self.path)) as file:  # not mapped, as pages that were read would count as this process's memory
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)]).to_pandas()


class Rows:
    """The chosen rows of a spool, which are those of a split: their number, their batches, their labels."""

    def __init__(self, spool: Spool, chosen: np.ndarray):
        self.spool, self.chosen = spool, chosen

    def __len__(self) -> int:
        return int(self.chosen.sum())

    def __iter__(self) -> Iterator[pd.DataFrame]:
        start = 0
        for batch in self.spool.batches():
            inside = self.chosen[start : start + len(batch)]
            start += len(batch)
            if inside.any():
                yield batch[inside].reset_index(drop=True)

    def frame(self) -> pd.DataFrame:
        """Return all rows at once."""
        return pd.concat(self, ignore_index=True)

    @property
    def sources(self) -> np.ndarray:
        """The keys [rows] of what must not be in two splits."""
        return self.spool.sources[self.chosen]

    def count_labels(self) -> dict:
        """Return label -> how many of the rows have it."""
        counts = np.bincount(self.spool.labels[self.chosen], minlength=len(self.spool.codes))
        return {label: int(counts[code]) for label, code in self.spool.codes.items()}


def keys(texts: pd.Series) -> np.ndarray:
    """Return a key of each text as uint64 [rows]."""
    return digests(text.encode() for text in texts)


def digests(contents: Iterable[bytes]) -> np.ndarray:
    """Return the first 8 bytes of the SHA-256 of each content as uint64 [contents].

    Among a million different ones two are alike once in thirty million data sets.
    """
    first = b"".join(hashlib.sha256(content).digest()[:8] for content in contents)
    return np.frombuffer(first, dtype=">u8").astype(np.uint64)


class Faults:
    """Rows that stop the preparation, counted by what is wrong, with the first few of each; ``rows`` says of what they are."""

    def __init__(self, rows: str):
        self.rows = rows
        self.counts: Counter = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, problem: str, wrong: pd.Series, examples: pd.Series) -> None:
        """Count the rows that are ``wrong``; ``examples`` says how each is named."""
        if wrong.any():
            self.counts[problem] += int(wrong.sum())
            known = self.examples.setdefault(problem, [])
            known += [str(example) for example in examples[wrong].head(SHOWN - len(known))]

    def raise_first(self, remedy: str) -> None:
        """Raise UserError with the count and the first few of what was wrong first, if anything was."""
        if self.counts:
            problem, count = next(iter(self.counts.items()))
            raise UserError(f"dataset: {count} {self.rows} have {problem}: {', '.join(self.examples[problem])}; {remedy}")
