"""Tables of text with a separator between the fields, and lines of text."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, TextIO

import pandas as pd

from encoder_compression.data.sources import batches
from encoder_compression.data.sources.batches import Table
from encoder_compression.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_OF_SUFFIX = {".tsv": "\t"}
csv.field_size_limit(2**31 - 1)  # a text may be longer than csv's own limit


def decoded(file: BinaryIO, format: dict, newline: str | None) -> TextIO:
    """Return a file as text; bytes that are none become U+FFFD, which whoever uses the text counts."""
    beginning = file.read(2)
    file.seek(0)
    encoding = format.get("encoding") or ("utf-16" if beginning in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8")
    signed = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    return io.TextIOWrapper(file, encoding=signed, errors="replace", newline=newline)


def open_separated(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return a table with a separator, or the lines of a text as the column "text" where the separator is empty."""
    if format.get("separator") == "":
        return Table(name, ["text"], False, lambda columns: _frames(["text"], _lines(open_file, format), columns))
    with decoded(open_file(), format, newline="") as text:
        first = _first_line(name, text)
        declared = re.fullmatch(r"sep=(.)\s*", first)  # so Excel names the separator
        first = _first_line(name, text) if declared else first
    separator = (
        format.get("separator") or (declared and declared[1]) or SEPARATOR_OF_SUFFIX.get(suffix) or _recognize(first, format, wanted)
    )
    quoting = format.get("quoting", suffix != ".tsv")
    source = _Separated(name, open_file, format, separator, quoting=quoting, skipped=int(bool(declared)))
    columns = _column_names(name, next(source.rows())[1], format)
    return Table(name, columns, quoting, lambda chosen: _frames(columns, source.body(columns), chosen))


def _lines(open_file: Callable[[], BinaryIO], format: dict) -> Iterator[list[str]]:
    with decoded(open_file(), format, newline=None) as lines:
        yield from ([line.rstrip("\n")] for line in lines)


@dataclass(frozen=True)
class _Separated:
    """A file of fields with a separator, read from its beginning as often as asked."""

    name: str
    open_file: Callable[[], BinaryIO]
    format: dict
    separator: str
    quoting: bool
    skipped: int  # lines before the header

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line at which each row begins, and its fields; UserError where quotation marks do not match."""
        quoting = csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE
        with decoded(self.open_file(), self.format, newline="") as text:
            for _ in range(self.skipped):
                text.readline()
            reader = csv.reader(text, delimiter=self.separator, quoting=quoting, strict=True)
            begins = self.skipped + 1
            try:
                for row in reader:
                    yield begins, row
                    begins = self.skipped + reader.line_num + 1
            except csv.Error as error:
                remedy = "double the quotation marks inside a quoted text, or set format.quoting to false"
                raise UserError(f"{self.name}, row from line {begins}: {error}; {remedy}") from None

    def body(self, columns: list[str]) -> Iterator[list[str]]:
        """Yield the rows behind the header that are not empty; UserError where one repeats the header or has other fields than it.

        Empty fields at the end of a line are none: spreadsheets write them.
        """
        width = len(columns)
        rows = islice(self.rows(), int(self.format.get("header", True)), None)
        for line, row in rows:
            while len(row) > width and not row[-1]:
                row.pop()
            if row == columns and width > 1:
                raise UserError(
                    f"{self.name}, line {line}: the row holds the names of the columns; take it out, or set format.header to true"
                )
            if len(row) == width:
                yield row
            elif "".join(row).strip():
                self._refuse(line, row, rows, width)

    def _refuse(self, line: int, row: list[str], rest: Iterator[tuple[int, list[str]]], width: int) -> None:
        count = 1 + sum(1 for _, fields in rest if fields and len(fields) != width)
        remedy = (
            f"give each column a name, put a text that holds {self.separator!r} into double quotes, right behind the separator, or name"
        )
        fields = f"{len(row)} fields, but the header has {width} ({count} such rows)"
        raise UserError(f"{self.name}, line {line}: {fields}; {remedy} another format.separator")


def _first_line(name: str, text: TextIO) -> str:
    line = text.readline()
    if not line.strip():
        raise UserError(f"{name}: its first line is empty; the first line names the columns, or set format.header to false")
    if line.startswith("PK\x03\x04"):
        raise UserError(f"{name}: it is a zip archive or a workbook of Excel; save it as CSV in UTF-8, or take the table out of it")
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


def _frames(columns: list[str], rows: Iterator[list], chosen: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the chosen columns of rows in batches."""
    places = [columns.index(column) for column in chosen]
    while batch := list(islice(rows, batches.BATCH)):
        yield pd.DataFrame({columns[place]: [row[place] for row in batch] for place in places}, dtype=object)
