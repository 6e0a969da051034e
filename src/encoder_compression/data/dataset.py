"""A data set, split and tokenized once: a Parquet file per split and dataset.json.

The source is read once, in batches, into a file beside the result; only keys and codes of labels stay in memory. So the
memory that it takes does not grow with the texts.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from encoder_compression.data import tasks
from encoder_compression.data.sources.batches import Table
from encoder_compression.data.sources.table import open_tables
from encoder_compression.data.spool import Rows, Spool
from encoder_compression.data.tasks.labels import require_map
from encoder_compression.encoders.encoder_facts import classification_head, load_tokenizer, positions, token_types
from encoder_compression.errors import UserError

SPLITS = ("train", "validation", "test")
ROLES_OF_TEXTS = ("text", "text_pair", "question", "context")


def prepare_dataset(*, options: dict, task: str, encoder: Path, output: Path) -> dict:
    """Write ``{split}.parquet``, what the encoder reads with its labels, and ``dataset.json``; returns the counts as facts.

    ``options`` is the section ``dataset`` of an experiment; ``encoder`` holds the tokenizer. Rows that cannot be used, and
    rows of train whose text a later split has too, are dropped and counted. What a reader should know is a sentence under
    "warnings". UserError where labels or answers are wrong.
    """
    kind = tasks.load(task)
    tables = open_tables(options, "dataset")
    tokenizer, head = load_tokenizer(encoder), classification_head(encoder)
    _require_length(options["max_length"], tokenizer, encoder)
    if head and "label_map" in options:
        require_map(options["label_map"], head)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".rows-") as folder:
        spools = _spool(kind, tables, options, Path(folder))
        splits = _split(spools, **options["split"])
        _require_rows(splits, spools)
        output.mkdir(parents=True, exist_ok=True)
        described = kind.write(splits, output, options=options, head=head, tokenizer=tokenizer, told_apart=token_types(encoder) > 1)
        dropped = {name: dict(spool.dropped) for name, spool in spools.items()}
        facts = {"rows": {name: len(rows) for name, rows in splits.items()}, "dropped": dropped}
        warnings = [*_overlap(splits), *_contradictions(spools), *described.pop("warnings", [])]
    description = facts | {"task": task, "pad_token_id": tokenizer.pad_token_id, "max_length": options["max_length"]} | described
    description |= {"warnings": warnings} if warnings else {}
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    print(*warnings, sep="\n")  # to the log
    return facts


def train_texts(*, dataset: dict, task: str) -> Iterator[str]:
    """Yield the texts of train, as `prepare_dataset` splits the section ``dataset`` of an experiment; no tokenizer is needed for it."""
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        spools = _spool(tasks.load(task), open_tables(dataset, "dataset"), dataset, Path(folder))
        for batch in _split(spools, **dataset["split"])["train"]:
            for role in (role for role in ROLES_OF_TEXTS if role in batch):
                yield from batch[role]


def _require_length(longest: int, tokenizer, encoder: Path) -> None:
    """Raise UserError where the encoder cannot read so many tokens."""
    most = min(tokenizer.model_max_length, positions(encoder))
    if longest > most:
        raise UserError(f"dataset: max_length is {longest}, but the encoder reads at most {most} tokens; give at most {most}")


def _spool(kind: ModuleType, tables: dict[str, Table], options: dict, folder: Path) -> dict[str, Spool]:
    """Return the rows of each table of the source, and which of them are usable."""
    spools, codes = {}, {}
    for name, table in tables.items():
        dropped: Counter = Counter()
        frames = kind.clean(table, name, options, dropped)
        spools[name] = Spool(folder / f"{name}.arrow", table, frames, codes=codes, dropped=dropped)
        if kind.ONCE:
            spools[name].keep_first()
    return spools


def _split(spools: dict[str, Spool], *, validation: float, test: float) -> dict[str, Rows]:
    """Return the three splits, cutting those that the source lacks from 'train' by a hash of the group.

    A group keeps its split whatever else the data set holds. Rows of 'train' whose source a later split has too are taken out
    of it and counted.
    """
    train = spools["train"]
    position = train.groups / 2.0**64
    bounds = {"test": (0, test), "validation": (test, test + validation)}
    splits, left = {}, train.usable.copy()
    for name, (low, high) in bounds.items():
        chosen = train.usable & (position >= low) & (position < high)
        if name in spools:
            splits[name] = Rows(spools[name], spools[name].usable)
            chosen = train.usable & np.isin(train.sources, splits[name].sources)
            train.dropped[f"also in {name}"] = int(chosen.sum())
        else:
            splits[name] = Rows(train, chosen)
        left &= ~chosen
    return {name: (splits | {"train": Rows(train, left)})[name] for name in SPLITS}


def _require_rows(splits: dict[str, Rows], spools: dict[str, Spool]) -> None:
    """Raise UserError where a split is empty, with what became of its rows."""
    for name, rows in splits.items():
        if not len(rows):
            spool = spools.get(name, spools["train"])
            lost = ", ".join(f"{count} dropped ({reason})" for reason, count in spool.dropped.items() if count)
            cause = f"{lost}; mend the table" if lost else "change 'split' or give a larger table"
            raise UserError(f"dataset: split '{name}' is empty: {spool.table.name} has {len(spool)} usable rows; {cause}")


def _overlap(splits: dict[str, Rows]) -> list[str]:
    """Say how many rows of test have a text that validation has too."""
    count = int(np.isin(splits["test"].sources, splits["validation"].sources).sum())
    if not count:
        return []
    return [
        f"{count:,} of {len(splits['test']):,} rows of test have a text that validation has too, by which the epoch is chosen: "
        "the scores on test are too good."
    ]


def _contradictions(spools: dict[str, Spool]) -> list[str]:
    """Say how often a repeated text had another label than the row that was kept."""
    return [
        f"{spool.contradictions:,} rows of {name} repeat a text with another label than before; the first row of a text counts."
        for name, spool in spools.items()
        if spool.contradictions
    ]
