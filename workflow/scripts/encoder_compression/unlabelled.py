"""Further texts without labels, for a teacher to label: a data set of one split, train."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression import features, tasks
from encoder_compression.dataset import SPLITS, load_tokenizer, require_columns, token_types
from encoder_compression.errors import UserError
from encoder_compression.sources.table import read_tables
from encoder_compression.tasks import sentences


def prepare_unlabelled(*, options: dict, dataset: Path, encoder: Path, output: Path) -> dict:
    """Write ``train.parquet``, what the encoder reads, and ``dataset.json``; returns the counts as facts.

    ``options`` is the section ``unlabelled`` of an experiment, whose splits are read as one; ``encoder`` holds the tokenizer.
    Dropped and counted are texts that are empty or repeated, and those that a split of the prepared ``dataset`` has too, so
    that nothing is trained on what is tested. Two texts are the same where the encoder reads the same tokens.
    """
    known = tasks.describe(dataset)
    table = pd.concat(read_tables(options).values(), ignore_index=True)
    require_columns(table, options["columns"], "unlabelled: the source")
    rows = sentences.read(table, "unlabelled", options["columns"])
    told_apart = token_types(encoder) > 1
    inputs = sentences.encode(rows, tokenizer=load_tokenizer(encoder), max_length=known["max_length"], told_apart=told_apart)
    return write_new(inputs, Path(output), dataset=dataset, dropped=rows.attrs["dropped"])


def write_new(rows: pd.DataFrame, output: Path, *, dataset: Path, dropped: dict[str, int]) -> dict:
    """Write the rows that no split of the prepared ``dataset`` has, and ``dataset.json``; returns the counts as facts.

    ``dropped`` counts what was dropped before, by reason. UserError where no row is left.
    """
    known = tasks.describe(dataset)
    left, known_already = _without_known(pa.Table.from_pandas(rows, preserve_index=False), dataset)
    if not len(left):
        raise UserError("unlabelled: no text is left that the data set does not have; name another source")
    output.mkdir(parents=True, exist_ok=True)
    parquet.write_table(left, output / "train.parquet")
    facts = {"rows": {"train": len(left)}, "dropped": dropped | known_already}
    (output / "dataset.json").write_text(
        json.dumps(facts | {name: known[name] for name in ("task", "max_length")}, indent=2) + "\n", encoding="utf-8"
    )
    return facts


def _without_known(rows: pa.Table, dataset: Path) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows that are new, and how many were not, by where else their tokens are."""
    tokens = _tokens(rows)
    reason = pd.Series("", index=tokens.index).mask(tokens.duplicated(), "repeated text")
    for split in reversed(SPLITS):
        known = tokens.isin(set(_tokens(features.read(dataset, split))))
        reason = reason.mask(known & reason.eq(""), f"also in {split}")
    names = ["repeated text", *(f"also in {split}" for split in reversed(SPLITS))]
    return rows.filter(reason.eq("").to_numpy()), {name: int(reason.eq(name).sum()) for name in names}


def _tokens(rows: pa.Table) -> pd.Series:
    return pd.Series([tuple(ids) for ids in rows["input_ids"].to_pylist()], dtype=object)
