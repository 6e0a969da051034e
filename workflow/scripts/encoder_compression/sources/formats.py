"""Files of rows, read in batches: .csv, .tsv and .txt with a separator, lines of text, .json, .jsonl and .parquet.

Nothing is guessed: what a text file holds stays text, and whoever reads it decides what is a number.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO, TextIO

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.errors import UserError, nearest
from encoder_compression.sources import squad_json

BATCH = 20_000  # rows that are held as Python objects at a time
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_OF_SUFFIX = {".tsv": "\t"}
LONGEST_FIELD = 2**31 - 1
csv.field_size_limit(LONGEST_FIELD)


@dataclass(frozen=True)
class Table:
    """Rows that are read in batches, as often as asked: a name for messages, the names of the columns, and how to read."""

    name: str
    columns: list[str]
    read: Callable[[list[str]], Iterator[pd.DataFrame]]

    def batches(self, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
        """Yield the wanted columns of all rows, in their order; the index counts the rows of the table from 0."""
        start = 0
        for batch in self.read(list(dict.fromkeys(columns))):
            yield batch.set_index(pd.RangeIndex(start, start + len(batch)))
            start += len(batch)


def open_table(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return the table of a file; ``format`` is the section of that name, ``wanted`` the columns that will be read.

    UserError, in one line with the file's name, where it cannot be read.
    """
    suffix = suffix.lower()
    if suffix not in OPENERS:
        raise UserError(f"cannot read '{name}'; its name must end in one of these{nearest(suffix, OPENERS)}")
    try:
        return OPENERS[suffix](name, open_file, suffix, format, wanted)
    except (ValueError, pa.ArrowInvalid) as error:
        raise UserError(f"{name}: the table cannot be read: {str(error).strip().splitlines()[0]}") from None


def _decoded(file: BinaryIO, format: dict, newline: str | None) -> TextIO:
    """Return a file as text; bytes that are none become U+FFFD, which whoever uses the text counts."""
    beginning = file.read(2)
    file.seek(0)
    encoding = format.get("encoding") or ("utf-16" if beginning in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8")
    signed = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    return io.TextIOWrapper(file, encoding=signed, errors="replace", newline=newline)


def _open_lines(name: str, open_file: Callable[[], BinaryIO], format: dict) -> Table:
    """Return the lines of a text as the column "text"."""

    def read(columns: list[str]) -> Iterator[pd.DataFrame]:
        with _decoded(open_file(), format, newline=None) as lines:
            yield from _frames(["text"], ([line.rstrip("\n")] for line in lines), columns)

    return Table(name, ["text"], read)


def _open_separated(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table with a separator, or the lines of a text where the separator is empty."""
    if format.get("separator") == "":
        return _open_lines(name, open_file, format)
    with _decoded(open_file(), format, newline="") as text:
        first = _first_line(name, text)
    separator = format.get("separator") or SEPARATOR_OF_SUFFIX.get(suffix) or _recognize(first, format, wanted)
    quoting = csv.QUOTE_MINIMAL if format.get("quoting", suffix != ".tsv") else csv.QUOTE_NONE
    dialect = {"delimiter": separator, "quoting": quoting, "strict": True}

    def rows(text: TextIO) -> Iterator[list[str]]:
        reader = csv.reader(text, **dialect)
        try:
            yield from ((reader.line_num, row) for row in reader)
        except csv.Error as error:
            remedy = "double the quotation marks inside a quoted text, or set format.quoting to false"
            raise UserError(f"{name}, line {reader.line_num}: {error}; {remedy}") from None

    with _decoded(open_file(), format, newline="") as text:
        columns = _column_names(name, next(rows(text))[1], format)

    def read(chosen: list[str]) -> Iterator[pd.DataFrame]:
        with _decoded(open_file(), format, newline="") as text:
            body = islice(rows(text), int(format.get("header", True)), None)
            yield from _frames(columns, _of_one_width(name, body, len(columns), separator), chosen)

    return Table(name, columns, read)


def _first_line(name: str, text: TextIO) -> str:
    line = text.readline()
    if not line.strip():
        raise UserError(f"{name}: its first line is empty; the first line names the columns, or set format.header to false")
    if "\0" in line:
        raise UserError(f"{name}: it holds NUL characters and is no UTF-8; name its encoding, such as 'format: {{encoding: utf-16-le}}'")
    return line


def _recognize(line: str, format: dict, wanted: list[str]) -> str:
    """Return the separator by which the first line has the wanted columns, or as many fields as there are names; else a comma."""

    def fits(separator: str) -> bool:
        fields = [field.strip() for field in next(csv.reader([line], delimiter=separator))]
        return set(wanted) <= set(fields) if format.get("header", True) else len(fields) == len(format.get("names", ()))

    return next(filter(fits, SEPARATORS), ",")


def _column_names(name: str, first: list[str], format: dict) -> list[str]:
    """Return the names of the columns: those of the header, those given, or numbers from 0."""
    if not format.get("header", True):
        names = format.get("names") or [str(number) for number in range(len(first))]
        if len(names) != len(first):
            raise UserError(f"{name}: format.names has {len(names)} names, but the first line has {len(first)} fields; make them agree")
        return names
    names = [field.strip() for field in first]
    while names and not names[-1]:
        names.pop()  # of a separator at the end of every line
    repeated = [column for column in names if names.count(column) > 1]
    if repeated:
        raise UserError(f"{name}: the header names the column '{repeated[0]}' twice; rename one")
    return names


def _of_one_width(name: str, rows: Iterator[tuple[int, list[str]]], width: int, separator: str) -> Iterator[list[str]]:
    """Yield the rows that are not empty; UserError where some have more or fewer fields than the header.

    Empty fields at the end of a line are none: spreadsheets write them.
    """
    for line, row in rows:
        while len(row) > width and not row[-1]:
            row.pop()
        if len(row) == width:
            yield row
        elif row:
            others = sum(1 for _, other in rows if other and len(other) != width)
            raise UserError(
                f"{name}, line {line}: {len(row)} fields, but the header has {width} ({others + 1} such rows); put a text that holds "
                f"{separator!r} into double quotes, or name another format.separator"
            )


def _frames(columns: list[str], rows: Iterator[list], chosen: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the chosen columns of rows in batches."""
    places = [columns.index(column) for column in chosen]
    while batch := list(islice(rows, BATCH)):
        yield pd.DataFrame({columns[place]: [row[place] for row in batch] for place in places}, dtype=object)


def _open_jsonl(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table of one record a line."""

    def records() -> Iterator[dict]:
        with _decoded(open_file(), format, newline=None) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _record(name, number, line)

    columns = list(dict.fromkeys(chain.from_iterable(islice(records(), BATCH))))
    return Table(name, columns, lambda chosen: _frames_of_records(records(), chosen))


def _record(name: str, number: int, line: str) -> dict:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UserError(f"{name}, line {number}: no valid JSON ({error}); write one record in braces a line") from None
    if not isinstance(record, dict):
        raise UserError(f'{name}, line {number}: no record with names, such as {{"text": …, "label": …}}; write one a line')
    return record


def _frames_of_records(records: Iterator[dict], columns: list[str]) -> Iterator[pd.DataFrame]:
    while batch := list(islice(records, BATCH)):
        yield pd.DataFrame({column: [record.get(column) for record in batch] for column in columns}, dtype=object)


def _open_json(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table of records, in one list or a line each, or the questions of a file in SQuAD's own form, as on the hub."""
    with _decoded(open_file(), format, newline=None) as file:
        try:
            content = json.load(file)
        except ValueError:
            return _open_jsonl(name, open_file, ".jsonl", format, wanted)
    if isinstance(content, dict) and "data" in content:
        content = squad_json.questions(content["data"])
    frame = pd.DataFrame(content, dtype=object)
    return Table(name, [str(column) for column in frame], lambda columns: iter([frame[columns].astype(object)]))


def _open_parquet(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return the table of a Parquet file."""
    with open_file() as file:
        columns = parquet.ParquetFile(file).schema_arrow.names

    def read(chosen: list[str]) -> Iterator[pd.DataFrame]:
        with open_file() as file:
            for batch in parquet.ParquetFile(file).iter_batches(BATCH, columns=chosen):
                yield as_objects(pa.table(batch))

    return Table(name, columns, read)


def as_objects(table: pa.Table) -> pd.DataFrame:
    """Return a table of Arrow as Python objects; a whole number stays one where others are missing."""
    return table.replace_schema_metadata(None).to_pandas(integer_object_nulls=True).astype(object)


OPENERS = {
    ".csv": _open_separated,
    ".tsv": _open_separated,
    ".txt": _open_separated,
    ".json": _open_json,
    ".jsonl": _open_jsonl,
    ".parquet": _open_parquet,
}
