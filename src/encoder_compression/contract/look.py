"""What a file of texts and labels holds, as far as it decides the study: said before anything is trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.contract import columns, written
from encoder_compression.contract.columns import Roles
from encoder_compression.data.sources.formats import open_table
from encoder_compression.data.tasks.labels import as_text
from encoder_compression.errors import UserError

ROWS = 100_000  # at most so many are looked at
FEWEST = 200  # rows, of which 15 % are the test split: fewer than 30 examples tell nothing of a drop of some points
SHOWN = 10  # classes
LENGTHS = (64, 128, 256, 512)  # tokens
TOKENS_PER_WORD = 1.5  # of English in WordPiece, with punctuation; the study itself counts texts that it cuts


@dataclass(frozen=True)
class Look:
    """A table of texts: its file, how it is written, the roles of its columns, and facts about them."""

    path: Path
    format: dict
    roles: Roles
    facts: dict

    @property
    def max_length(self) -> int:
        """Return the length in tokens that 99 % of the texts are likely to have at most."""
        needed = TOKENS_PER_WORD * self.facts["words"][2] + 2
        return next((length for length in LENGTHS if length >= needed), LENGTHS[-1])

    def lines(self) -> Iterator[str]:
        """Yield what was taken, and the option that says otherwise."""
        facts = self.facts
        written_in = self.format.get("encoding", "UTF-8")
        separated = f", separated by {self.format['separator']!r}" if self.format.get("separator") else ""
        more = "the first " if facts["more"] else ""
        yield f"{self.path}: {more}{facts['rows']:,} rows, {written_in}{separated}"
        if self.roles.columns:
            texts = " and ".join(f"'{self.roles.columns[role]}'" for role in ("text", "text_pair") if role in self.roles.columns)
            yield f"  text   {texts}: {facts['words'][0]:.0f} words in the median, {facts['words'][1]:.0f} at 95 % (--text, --text-pair)"
            yield f"  label  '{self.roles.columns['label']}': {facts['labels']} (--label)"
        yield f"  task   {self.roles.task} (--task)"
        if facts["repeated"] or facts["empty"]:
            yield f"  left out: {facts['repeated']:,} repeated texts, {facts['empty']:,} without text"


def look(path: Path, *, text: str | None, text_pair: str | None, label: str | None, task: str | None) -> Look:
    """Return what a table of texts holds; the columns and the task that are named are taken as they are.

    UserError, in one line, where it cannot be read or cannot make a study: no text, no label, one class, too few rows.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a .csv, .tsv, .txt, .json, .jsonl or .parquet")
    format = written.format_of(path)
    table = _read(path, format)
    roles = columns.find(table, name=str(path), text=text, text_pair=text_pair, label=label, task=task)
    return Look(path, format, roles, _facts(table, roles, str(path)))


def _read(path: Path, format: dict) -> pd.DataFrame:
    """Return the first rows of a table, one more than `ROWS` where it has more."""
    table = open_table(str(path), partial(path.open, "rb"), path.suffix, format, [])
    frames, count = [], 0
    for batch in table.batches(table.columns):
        frames.append(batch)
        count += len(batch)
        if count > ROWS:
            break
    return pd.concat(frames).head(ROWS + 1) if frames else pd.DataFrame(columns=table.columns)


def _facts(table: pd.DataFrame, roles: Roles, name: str) -> dict:
    """Return the numbers of rows, of repeated and of empty texts, words of a text (median, 95 %, 99 %), and the labels in words."""
    if len(table) < FEWEST:
        least = f"a study needs {FEWEST} at least, of which 15 % measure what is lost"
        raise UserError(f"{name} has {len(table)} rows; {least}: label more texts, or write an experiment with a test split of your own")
    more, table = len(table) > ROWS, table.head(ROWS)
    if not roles.columns:
        texts, labels = table["question"].map(str) + " " + table["context"].map(str), ""
    else:
        parts = [table[roles.columns[role]].map(_text) for role in ("text", "text_pair") if role in roles.columns]
        texts, labels = pd.concat(parts, axis=1).agg(" ".join, axis=1).str.strip(), _in_words(table[roles.columns["label"]], roles.task)
    words = texts.str.split().str.len()
    return {
        "rows": len(table),
        "more": more,
        "empty": int((texts == "").sum()),
        "repeated": int(texts[texts != ""].duplicated().sum()),
        "words": [float(np.quantile(words, share)) for share in (0.5, 0.95, 0.99)],
        "labels": labels,
    }


def _text(value) -> str:
    return value.strip() if isinstance(value, str) else ""


def _in_words(labels: pd.Series, task: str) -> str:
    """Return the classes with their counts, the commonest first, or the range of the numbers."""
    texts = as_text(labels)
    if task == "regression":
        numbers = pd.to_numeric(texts, errors="coerce")
        return f"numbers from {numbers.min():g} to {numbers.max():g}"
    counts = texts[texts != ""].value_counts()
    shown = ", ".join(f"{label}: {count:,}" for label, count in counts.head(SHOWN).items())
    return f"{len(counts)} classes, {shown}{', …' if len(counts) > SHOWN else ''}"
