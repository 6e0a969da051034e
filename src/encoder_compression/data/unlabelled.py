"""Unlabeled texts, for a teacher to label: a data set of one split, train."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from encoder_compression.data import features, tasks
from encoder_compression.data.dataset import SPLITS
from encoder_compression.data.sources.table import joined, open_tables
from encoder_compression.data.spool import digests
from encoder_compression.data.tasks import sentences
from encoder_compression.encoders.encoder_facts import load_tokenizer, token_types
from encoder_compression.errors import UserError


def prepare_unlabelled(*, options: dict, dataset: Path, encoder: Path, output: Path) -> dict:
    """Write ``train.parquet``, what the encoder reads, and ``dataset.json``; returns the counts as facts.

    ``options`` is the section ``unlabelled`` of an experiment, whose splits are read as one; ``encoder`` holds the tokenizer.
    Dropped and counted are texts that are empty or repeated, and those that a split of the prepared ``dataset`` has too, so
    that nothing is trained on what is tested. Two texts are the same where the encoder reads the same tokens.
    """
    dropped: Counter = Counter({"empty text": 0})
    inputs = _encoded(options, dataset, encoder, dropped)
    return write_new(inputs, Path(output), dataset=dataset, dropped=dropped)


def _encoded(options: dict, dataset: Path, encoder: Path, dropped: Counter) -> Iterator[pa.Table]:
    """Yield what the encoder reads of the texts of all splits of the source."""
    table = joined(list(open_tables(options, "unlabelled").values()))
    reading = {"tokenizer": load_tokenizer(encoder), "told_apart": token_types(encoder) > 1}
    for rows in sentences.read(table, "unlabelled", options["columns"], dropped):
        yield sentences.encode(rows, max_length=tasks.describe(dataset)["max_length"], **reading)[0]


def write_new(inputs: Iterator[pa.Table], output: Path, *, dataset: Path, dropped: dict[str, int]) -> dict:
    """Write the rows that no split of the prepared ``dataset`` has, and ``dataset.json``; returns the counts as facts.

    ``dropped`` counts what was dropped before, by reason, once ``inputs`` has been read. UserError where no row is left.
    """
    known = tasks.describe(dataset)
    repeated = Counter(dict.fromkeys(["repeated text", *(f"also in {split}" for split in reversed(SPLITS))], 0))
    count = features.write_tables(_new(inputs, dataset, repeated), output / "train.parquet")
    if not count:
        raise UserError("unlabelled: no text is left that the data set does not have; name another source")
    facts = {"rows": {"train": count}, "dropped": {**dropped, **repeated}}
    description = facts | {name: known[name] for name in ("task", "max_length")}
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return facts


def _new(inputs: Iterator[pa.Table], dataset: Path, repeated: Counter) -> Iterator[pa.Table]:
    """Yield the rows whose tokens are new; counts the others by where else their tokens are."""
    places = {f"also in {split}": _keys_of_split(dataset, split) for split in SPLITS}
    seen = np.zeros(0, np.uint64)
    for table in inputs:
        tokens = _keys(table["input_ids"])
        reason = pd.Series("", index=range(len(table))).mask(pd.Series(tokens).duplicated() | np.isin(tokens, seen), "repeated text")
        for name in reversed(places):
            reason = reason.mask(np.isin(tokens, places[name]) & reason.eq(""), name)
        seen = np.union1d(seen, tokens)
        for name in repeated:
            repeated[name] += int(reason.eq(name).sum())
        new = table.filter(reason.eq("").to_numpy())
        if len(new):
            yield new


def _keys_of_split(dataset: Path, split: str) -> np.ndarray:
    return _keys(features.read(dataset, split)["input_ids"])


def _keys(tokens: pa.ChunkedArray) -> np.ndarray:
    """Return a key of each row of tokens, as uint64 [rows]."""
    return digests(row.values.to_numpy().tobytes() for row in tokens)
