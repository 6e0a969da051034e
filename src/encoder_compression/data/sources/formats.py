"""Files of rows, read in batches: .csv, .tsv and .txt with a separator, lines of text, .json, .jsonl and .parquet.

Nothing is guessed: what a text file holds stays text, and whoever reads it decides what is a number.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data.sources import batches
from encoder_compression.data.sources.batches import Table, as_objects
from encoder_compression.data.sources.records import open_json, open_jsonl
from encoder_compression.data.sources.separated import open_separated
from encoder_compression.errors import UserError, nearest


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


def _open_parquet(name: str, open_file: Callable[[], BinaryIO], suffix: str, format: dict, wanted: list[str]) -> Table:
    """Return the table of a Parquet file."""
    with open_file() as file:
        columns = parquet.ParquetFile(file).schema_arrow.names

    def read(chosen: list[str]) -> Iterator[pd.DataFrame]:
        with open_file() as file:
            for batch in parquet.ParquetFile(file).iter_batches(batches.BATCH, columns=chosen):
                yield as_objects(pa.table(batch))

    return Table(name, columns, False, read)


OPENERS = {
    ".csv": open_separated,
    ".tsv": open_separated,
    ".txt": open_separated,
    ".json": open_json,
    ".jsonl": open_jsonl,
    ".parquet": _open_parquet,
}
