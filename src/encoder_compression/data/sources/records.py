"""Tables in JSON: records, one a line or in one list, and the questions of a file in SQuAD's own form."""

import json
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import BinaryIO

import pandas as pd

from encoder_compression.data.sources import batches, squad_json
from encoder_compression.data.sources.batches import Table
from encoder_compression.data.sources.separated import decoded
from encoder_compression.errors import UserError


def open_jsonl(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table of one record a line."""

    def records() -> Iterator[dict]:
        with decoded(open_file(), format, newline=None) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _record(name, number, line)

    columns = list(dict.fromkeys(chain.from_iterable(islice(records(), batches.BATCH))))
    return Table(name, columns, False, lambda chosen: _frames_of_records(records(), chosen))


def _record(name: str, number: int, line: str) -> dict:
    try:
        record = json.loads(line)
    except ValueError as error:
        remedy = "a list of records is for .json" if line.lstrip().startswith("[") else "write one record in braces a line"
        raise UserError(f"{name}, line {number}: no valid JSON ({error}); {remedy}") from None
    if not isinstance(record, dict):
        raise UserError(f'{name}, line {number}: no record with names, such as {{"text": …, "label": …}}; write one a line')
    return record


def _frames_of_records(records: Iterator[dict], columns: list[str]) -> Iterator[pd.DataFrame]:
    while batch := list(islice(records, batches.BATCH)):
        yield pd.DataFrame({column: [record.get(column) for record in batch] for column in columns}, dtype=object)


def open_json(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table of records, in one list or a line each, or the questions of a file in SQuAD's own form, as on the hub."""
    with decoded(open_file(), format, newline=None) as file:
        try:
            content = json.load(file)
        except ValueError:
            return open_jsonl(name, open_file, ".jsonl", format, wanted)
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = squad_json.questions(content["data"]) if squad_json.is_of_squad(content["data"]) else content["data"]
    frame = pd.DataFrame(content, dtype=object)
    return Table(name, [str(column) for column in frame], False, lambda columns: iter([frame[columns].astype(object)]))
