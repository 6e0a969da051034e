"""Folds of train and validation for cross-validation (Stone 1974): each is a data set of its own, whose test split is what it leaves out.

So whatever reads a data set works on a fold as it is: a training reads train and validation, and nothing of its chain has seen the fold.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.data.spool import keys
from encoder_compression.data.tasks import question_answering, sentences
from encoder_compression.errors import UserError

CUT = ("train", "validation")  # what folds are cut from
OF_WHOLE = ("cut", "dropped", "warnings")  # what dataset.json says of the rows of all splits


def cut_fold(*, dataset: Path, output: Path, number: int, count: int, seed: int) -> dict:
    """Write fold ``number``, from 1, of ``count`` as a data set to ``output``; returns its counts of examples as facts.

    Its test split is the part of train and validation together that the fold leaves out. Of the other folds validation is as large a
    share as before, by which a training chooses its epoch, and train is the rest. The test split of ``dataset`` is not read. UserError
    where there are fewer texts than folds.
    """
    examples = _examples(dataset)
    examples["part"] = _parts(examples, number=number, count=count, seed=seed)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    windows = {suffix: _write(Path(dataset), output, suffix, examples) for suffix in _suffixes(Path(dataset))}
    rows = examples["part"].value_counts().to_dict()
    description = {name: value for name, value in tasks.describe(dataset).items() if name not in OF_WHOLE}
    description |= {"rows": rows, **({"windows": windows[""]} if "windows" in description else {})}
    if "label_range" in description:
        labels = parquet.read_table(output / "train.parquet", columns=["label"])["label"].to_numpy()
        description["label_range"] = [float(labels.min()), float(labels.max())]
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return {"rows": rows}


def assign(keys: np.ndarray, strata: np.ndarray, *, count: int, seed: list[int]) -> np.ndarray:
    """Return the fold 0 … count - 1 of each row [rows]: rows of one key share a fold, and each stratum is dealt out evenly.

    ``keys`` are uint64 [rows], ``strata`` any numbers [rows], of a key those of its first row. The keys and the seed alone decide, not the
    order of the rows.
    """
    distinct, first, member = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(distinct)), strata[first]))
    folds = np.empty(len(distinct), int)
    folds[order] = np.arange(len(distinct)) % count
    return folds[member]


def _examples(dataset: Path) -> pd.DataFrame:
    """Return "id", "split", "stratum", and "key" of what is never parted, of each example of train and validation."""
    kind = question_answering if tasks.of_dataset(dataset) is question_answering else sentences
    examples = pd.concat([kind.examples(dataset, split).assign(split=split) for split in CUT], ignore_index=True)
    groups = examples.groupby("source", sort=False)["group"].transform("first")  # which may be finer than sources
    return examples[["id", "split", "stratum"]].assign(key=keys(groups))


def _parts(examples: pd.DataFrame, *, number: int, count: int, seed: int) -> np.ndarray:
    """Return for each example the split of the fold that it is in."""
    keys, strata = examples["key"].to_numpy(), examples["stratum"].to_numpy()
    distinct = len(np.unique(keys))
    if distinct < 2 * count:
        raise UserError(f"search: {distinct} texts of train and validation are too few for {count} folds; give fewer 'folds'")
    left_out = assign(keys, strata, count=count, seed=[seed]) == number - 1
    one_of = max(2, round(len(examples) / (examples["split"] == "validation").sum()))
    rest = ~left_out
    validation = np.zeros(len(examples), bool)
    validation[rest] = assign(keys[rest], strata[rest], count=one_of, seed=[seed, number]) == 0
    return np.select([left_out, validation], ["test", "validation"], "train")


def _suffixes(dataset: Path) -> list[str]:
    """Return what the names of a split's files have behind the split: nothing, or what its questions are called."""
    return sorted(path.stem.removeprefix("train") for path in dataset.glob("train*.parquet"))


def _write(dataset: Path, output: Path, suffix: str, examples: pd.DataFrame) -> dict[str, int]:
    """Write the rows of one kind of file into the splits of a fold; returns how many each has."""
    tables = {split: parquet.read_table(dataset / f"{split}{suffix}.parquet") for split in CUT}
    parts = [_parts_of_rows(tables[split], examples[examples["split"] == split]) for split in CUT]
    table, part = pa.concat_tables(tables.values()), np.concatenate(parts)
    counts = {}
    for name in ("train", "validation", "test"):
        chosen = table.filter(pa.array(part == name))
        parquet.write_table(chosen, output / f"{name}{suffix}.parquet")
        counts[name] = len(chosen)
    return counts


def _parts_of_rows(table: pa.Table, examples: pd.DataFrame) -> np.ndarray:
    """Return for each row of a split, a window or an example, the split of the fold that its example is in."""
    return examples.set_index("id")["part"].loc[table["id"].to_pylist()].to_numpy()
