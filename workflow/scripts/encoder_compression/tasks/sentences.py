"""Tables of one or two sentences and a label, which classification and regression share."""

import json
from pathlib import Path

import pandas as pd
from pyarrow import compute

from encoder_compression import features
from encoder_compression.errors import UserError

SEPARATOR = "\x1f"  # between two texts: ASCII's own, which no text holds


def read(table: pd.DataFrame, split: str, columns: dict[str, str]) -> pd.DataFrame:
    """Return id, text(s), label and key of a split's rows that have a text; ``attrs["dropped"]`` counts the others.

    Where ``columns`` names no label there is none.
    """
    texts = {role: _stripped(table[columns[role]]) for role in ("text", "text_pair") if role in columns}
    rows = pd.DataFrame({"id": [f"{split}-{index}" for index in range(len(table))], **texts})
    if "label" in columns:
        rows["label"] = table[columns["label"]]
    rows["key"] = rows[list(texts)].agg(SEPARATOR.join, axis=1)
    empty = (rows[list(texts)] == "").any(axis=1)
    rows.attrs["dropped"] = {"empty text": int(empty.sum())}
    return rows[~empty]


def _stripped(column: pd.Series) -> pd.Series:
    """Return a column as texts without blanks around them; what is missing is empty."""
    return column.astype(object).fillna("").astype(str).str.strip()


def require_labels(rows: pd.DataFrame, split: str, wrong: pd.Series, remedy: str) -> None:
    """Raise UserError with the count and the first three ids of the rows whose label is ``wrong``."""
    if wrong.any():
        examples = ", ".join(f"{row.id} ({row.label!r})" for row in rows[wrong].head(3).itertuples())
        raise UserError(f"dataset: {int(wrong.sum())} rows of split '{split}' have no usable label: {examples}; {remedy}")


def without_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each text once, counted in ``attrs``; every text is its own source and its own group."""
    dropped = rows.attrs["dropped"] | {"repeated text": int(rows["key"].duplicated().sum())}
    rows = rows.drop_duplicates("key").reset_index(drop=True)
    rows = rows.assign(source=rows["key"], group=rows["key"])
    rows.attrs["dropped"] = dropped
    return rows


def write(splits: dict[str, pd.DataFrame], folder: Path, **reading) -> dict:
    """Write what `encode` returns of each split; returns how many rows of each were too long and cut."""
    cut = {}
    for name, split in splits.items():
        encoded = encode(split, **reading)
        encoded.to_parquet(folder / f"{name}.parquet", index=False)
        cut[name] = encoded.attrs["cut"]
    return {"cut": cut}


def encode(split: pd.DataFrame, *, tokenizer, max_length: int, told_apart: bool) -> pd.DataFrame:
    """Return id, text(s), label and the encoder's inputs of a split; of two sentences the longer one is cut first.

    ``attrs["cut"]`` counts the rows that were.
    """
    texts = [split[role].tolist() for role in ("text", "text_pair") if role in split]
    pair = len(texts) == 2
    encoded = tokenizer(*texts, truncation=True, max_length=max_length, return_token_type_ids=pair and told_apart)
    inputs = {name: encoded[name] for name in features.INPUTS if name in encoded}
    kept = [name for name in ("id", "text", "text_pair", "label") if name in split]
    rows = split[kept].assign(**inputs)
    rows.attrs["cut"] = sum(bool(one.overflowing) for one in encoded.encodings or [])
    return rows


def cut_anew(dataset: Path, output: Path, *, tokenizer) -> dict:
    """Write a prepared data set again, row for row, in the pieces of another tokenizer; returns the mean pieces of a row of train."""
    description = json.loads((Path(dataset) / "dataset.json").read_text(encoding="utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    description["cut"], means = {}, {}
    for name in description["rows"]:
        split = pd.read_parquet(Path(dataset) / f"{name}.parquet")
        means[name] = split["input_ids"].map(len).mean()
        told_apart = "token_type_ids" in split
        reading = {"tokenizer": tokenizer, "max_length": description["max_length"], "told_apart": told_apart}
        description["cut"] |= write({name: split}, output, **reading)["cut"]
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    after = features.read(output, "train")["input_ids"]
    return {"tokens_before": means["train"], "tokens": compute.mean(compute.list_value_length(after)).as_py()}


def read_labels(dataset: Path, split: str) -> dict[str, list]:
    """Return id, label and the number of tokens of each example."""
    table = features.read(dataset, split, "id", "label")
    return {
        "id": table["id"].to_pylist(),
        "label": table["label"].to_pylist(),
        "tokens": compute.list_value_length(table["input_ids"]).to_pylist(),
    }
