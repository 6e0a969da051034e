"""How a table of text is written: its encoding and what separates its columns, as the bytes of the file tell."""

import codecs
import csv
import io
from itertools import islice
from pathlib import Path

from encoder_compression.data.sources.separated import SEPARATORS
from encoder_compression.errors import UserError

SAMPLE = 200  # rows that tell the separator
ALIKE = 0.9  # share of the rows that have as many fields as the header
WITH_SEPARATOR = (".csv", ".txt")  # of other endings the separator is known


def format_of(path: Path) -> dict:
    """Return the section ``format`` of a data set with what the reader does not find out by itself.

    UserError where a file has lines in two encodings.
    """
    path = Path(path)
    encoding = _encoding(path)
    separator = _separator(path, encoding) if path.suffix.lower() in WITH_SEPARATOR else None
    return {key: value for key, value in {"encoding": encoding, "separator": separator}.items() if value is not None}


def _encoding(path: Path) -> str | None:
    """Return the encoding of a file of lines; None for UTF-8, for UTF-16 with its mark, and for files that are no text."""
    if path.suffix.lower() == ".parquet":
        return None
    utf8_line = wrong_line = wrong = None
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return None
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                utf8_line = utf8_line or number
            except UnicodeDecodeError:
                wrong_line, wrong = wrong_line or number, wrong or line
    if wrong_line and utf8_line:
        raise UserError(f"{path}, line {wrong_line}: it is no UTF-8, but line {utf8_line} is; save the whole file in UTF-8")
    return _of_bytes(wrong) if wrong_line else None


def _of_bytes(line: bytes) -> str:
    """Return the encoding of Windows, or the one with a character for every byte where that has none."""
    try:
        line.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _separator(path: Path, encoding: str | None) -> str:
    """Return what divides the header into the most fields, of those preferred by which rows have as many; "" where a line is a text."""
    with path.open("rb") as file:
        mark = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    with path.open(encoding=encoding or ("utf-16" if mark else "utf-8-sig"), errors="replace", newline="") as file:
        text = "".join(line for line in islice(file, SAMPLE) if not line.startswith("sep="))
    best = max(SEPARATORS, key=lambda separator: _agreement(text, separator))
    return best if _agreement(text, best)[1] > 1 else ""


def _agreement(text: str, separator: str) -> tuple[bool, int]:
    """Return whether the rows have as many fields as the header, and how many that has; empty fields at the end are none."""
    rows = [_fields(row) for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    if not rows:
        return False, 0
    return rows[0] > 1 and sum(width == rows[0] for width in rows) >= ALIKE * len(rows), rows[0]


def _fields(row: list[str]) -> int:
    return len(row) - next((place for place, field in enumerate(reversed(row)) if field), len(row))
