"""A data set, split and tokenized once: three Parquet files and dataset.json."""

import hashlib
import json
from pathlib import Path

import pandas as pd

from encoder_compression.errors import UserError, nearest
from encoder_compression.features import INPUTS
from encoder_compression.sources.table import read_tables

SPLITS = ("train", "validation", "test")
SEPARATOR = "\x1f"  # between two texts: ASCII's own, which no text holds


def prepare_dataset(*, options: dict, encoder: Path, output: Path) -> dict:
    """Write ``{split}.parquet`` (id, text, label, input_ids) and ``dataset.json``; returns the counts as facts.

    With a second sentence there are also text_pair, and token_type_ids where the tokenizer makes them.

    ``options`` is the section ``dataset`` of an experiment; ``encoder`` holds the tokenizer. Labels become 0…n-1 in
    the order of their sorted names, and are called by ``options["label_names"]`` where it is given. Rows without a side
    of the threshold, repeated texts, and texts of train that a later split has too are dropped and counted.
    """
    tables = {name: _clean(table, name, options) for name, table in read_tables(options).items()}
    dropped = {name: table.attrs["dropped"] for name, table in tables.items()}
    splits = _split(tables, **options["split"])
    names = sorted(set().union(*(split["label"] for split in splits.values())))
    _check(splits, names)
    shown = _class_names(names, options.get("label_names"))
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = _load_tokenizer(encoder)
    longest = min(options["max_length"], tokenizer.model_max_length)
    for name, split in splits.items():
        split["label"] = split["label"].map(names.index).astype("int32")
        _tokenize(split, tokenizer, longest, _token_types(encoder)).to_parquet(output / f"{name}.parquet", index=False)
    facts = {"rows": {name: len(split) for name, split in splits.items()}, "dropped": dropped}
    tokens = {"pad_token_id": tokenizer.pad_token_id, "max_length": longest}
    description = facts | tokens | {"labels": shown}
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n")
    return facts


def _clean(table: pd.DataFrame, name: str, options: dict) -> pd.DataFrame:
    """Return id, texts, label and a key of a split's usable rows; how many were dropped, and why, stands in ``attrs``."""
    for role, column in options["columns"].items():
        if column not in table:
            raise UserError(f"dataset: split '{name}' has no column '{column}' for the {role}{nearest(column, map(str, table))}")
    texts = {role: _stripped(table[column]) for role, column in options["columns"].items() if role != "label"}
    rows = pd.DataFrame({"id": [f"{name}-{index}" for index in range(len(table))], **texts, "label": table[options["columns"]["label"]]})
    rows["key"] = rows[list(texts)].agg(SEPARATOR.join, axis=1)
    empty = (rows[list(texts)] == "").any(axis=1)
    dropped = {"empty text": int(empty.sum())}
    rows = rows[~empty]
    if "threshold" in options:
        rating = pd.to_numeric(rows["label"], errors="coerce")
        usable = rating.notna() & rating.ne(options["threshold"])
        dropped["label is the threshold or no number"] = int((~usable).sum())
        rows = rows[usable].assign(label=rating[usable].gt(options["threshold"]).astype(int))
    dropped["repeated text"] = int(rows["key"].duplicated().sum())
    rows = rows.drop_duplicates("key").reset_index(drop=True)
    rows.attrs["dropped"] = dropped
    return rows


def _stripped(column: pd.Series) -> pd.Series:
    """Return a column as texts without blanks around them; what is missing is empty."""
    return column.astype(object).fillna("").astype(str).str.strip()


def _split(tables: dict[str, pd.DataFrame], *, validation: float, test: float) -> dict[str, pd.DataFrame]:
    """Return the three splits, cutting those that the source lacks from 'train' by a hash of the text.

    A text keeps its split whatever else the data set holds. Texts of 'train' that a later split has too are taken out of it
    and counted in its ``attrs``.
    """
    train = tables["train"]
    position = train["key"].map(_position)
    bounds = {"test": (0, test), "validation": (test, test + validation)}
    parts, cut = {}, pd.Series(False, index=train.index)
    for name, (low, high) in bounds.items():
        chosen = position.ge(low) & position.lt(high)
        if name in tables:
            parts[name], chosen = tables[name], train["key"].isin(tables[name]["key"])
            train.attrs["dropped"][f"also in {name}"] = int(chosen.sum())
        else:
            parts[name] = train[chosen]
        cut |= chosen
    parts["train"] = train[~cut]
    return {name: parts[name].drop(columns="key").reset_index(drop=True) for name in SPLITS}


def _position(text: str) -> float:
    """Return where between 0 and 1 the hash of a text lies."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _token_types(encoder: Path) -> int:
    """Return how many sentences of one input an encoder tells apart: two for BERT, one for RoBERTa and DistilBERT."""
    return json.loads((Path(encoder) / "config.json").read_text()).get("type_vocab_size", 1)


def _tokenize(split: pd.DataFrame, tokenizer, longest: int, token_types: int) -> pd.DataFrame:
    """Return the split with its inputs, see `features`; of two sentences the longer one is cut first."""
    texts = [split[role].tolist() for role in ("text", "text_pair") if role in split]
    told_apart = len(texts) == 2 and token_types > 1
    encoded = tokenizer(*texts, truncation=True, max_length=longest, return_token_type_ids=told_apart)
    return split.assign(**{name: encoded[name] for name in INPUTS if name in encoded})


def _check(splits: dict[str, pd.DataFrame], labels: list) -> None:
    empty = [name for name, split in splits.items() if split.empty]
    if empty:
        raise UserError(f"dataset: split '{empty[0]}' is empty; change 'split' or give a larger table")
    if len(labels) < 2:
        raise UserError(f"dataset: all rows have the same label {labels}; a classification needs two or more")


def _class_names(labels: list, given: list[str] | None) -> list[str]:
    """Return what the classes are called: as ``given``, in the order of the sorted labels, or by the labels themselves."""
    if given is not None and len(given) != len(labels):
        raise UserError(
            f"dataset: 'label_names' has {len(given)} names for {len(labels)} labels {labels}; give one for each, in this order"
        )
    return given or [str(label) for label in labels]


def _load_tokenizer(encoder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)
