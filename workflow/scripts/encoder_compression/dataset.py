"""A data set, split and tokenized once: a Parquet file per split and dataset.json."""

import hashlib
import json
import math
from pathlib import Path
from types import ModuleType

import pandas as pd

from encoder_compression import tasks
from encoder_compression.errors import UserError, nearest
from encoder_compression.sources.table import read_tables

COUNTED_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")  # encoders whose first position follows that of padding
SPLITS = ("train", "validation", "test")


def prepare_dataset(*, options: dict, task: str, encoder: Path, output: Path) -> dict:
    """Write ``{split}.parquet``, what the encoder reads with its labels, and ``dataset.json``; returns the counts as facts.

    ``options`` is the section ``dataset`` of an experiment; ``encoder`` holds the tokenizer. Rows that cannot be used, and
    rows of train whose text a later split has too, are dropped and counted. UserError where labels or answers are wrong.
    """
    kind = tasks.load(task)
    tables = {name: _clean(kind, table, name, options) for name, table in read_tables(options).items()}
    dropped = {name: table.attrs["dropped"] for name, table in tables.items()}
    splits = _split(tables, **options["split"])
    _check(splits)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(encoder)
    longest, most = options["max_length"], min(tokenizer.model_max_length, positions(encoder))
    if longest > most:
        raise UserError(f"dataset: max_length is {longest}, but the encoder reads at most {most} tokens; give at most {most}")
    described = kind.write(splits, output, tokenizer=tokenizer, options=options, told_apart=token_types(encoder) > 1)
    facts = {"rows": {name: len(split) for name, split in splits.items()}, "dropped": dropped}
    description = facts | {"task": task, "pad_token_id": tokenizer.pad_token_id, "max_length": longest} | described
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return facts


def _clean(kind: ModuleType, table: pd.DataFrame, name: str, options: dict) -> pd.DataFrame:
    """Return the usable rows of a split as the task sees them; UserError where the table lacks a column."""
    require_columns(table, options["columns"], f"dataset: split '{name}'")
    return kind.clean(table, name, options)


def require_columns(table: pd.DataFrame, columns: dict[str, str], where: str) -> None:
    """Raise UserError where the table lacks one of the columns, which are named by their role."""
    for role, column in columns.items():
        if column not in table:
            remedy = "; where there are no groups, take the column of the context" if role == "group" else ""
            raise UserError(f"{where} has no column '{column}' for the {role}{nearest(column, map(str, table))}{remedy}")


def _split(tables: dict[str, pd.DataFrame], *, validation: float, test: float) -> dict[str, pd.DataFrame]:
    """Return the three splits, cutting those that the source lacks from 'train' by a hash of the group.

    A group keeps its split whatever else the data set holds. Rows of 'train' whose source a later split has too are taken out
    of it and counted in its ``attrs``.
    """
    train = tables["train"]
    position = train["group"].map(_position)
    bounds = {"test": (0, test), "validation": (test, test + validation)}
    parts, cut = {}, pd.Series(False, index=train.index)
    for name, (low, high) in bounds.items():
        chosen = position.ge(low) & position.lt(high)
        if name in tables:
            parts[name], chosen = tables[name], train["source"].isin(tables[name]["source"])
            train.attrs["dropped"][f"also in {name}"] = int(chosen.sum())
        else:
            parts[name] = train[chosen]
        cut |= chosen
    parts["train"] = train[~cut]
    return {name: parts[name].reset_index(drop=True) for name in SPLITS}


def _position(text: str) -> float:
    """Return where between 0 and 1 the hash of a text lies."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def token_types(encoder: Path) -> int:
    """Return how many texts of one input an encoder tells apart: two for BERT, one for RoBERTa and DistilBERT."""
    return json.loads((Path(encoder) / "config.json").read_text(encoding="utf-8")).get("type_vocab_size", 1)


def positions(encoder: Path) -> float:
    """Return how many tokens an encoder has positions for; no bound where its config.json tells none."""
    config = json.loads((Path(encoder) / "config.json").read_text(encoding="utf-8"))
    before = config["pad_token_id"] + 1 if config["model_type"] in COUNTED_FROM_PADDING else 0
    return config.get("max_position_embeddings", math.inf) - before


def _check(splits: dict[str, pd.DataFrame]) -> None:
    empty = [name for name, split in splits.items() if split.empty]
    if empty:
        raise UserError(f"dataset: split '{empty[0]}' is empty; change 'split' or give a larger table")


def load_tokenizer(encoder: Path):
    """Return the tokenizer of a prepared encoder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)
