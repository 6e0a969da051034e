"""A table that is read in batches, whatever it comes from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

BATCH = 20_000  # rows that are held as Python objects at a time


@dataclass(frozen=True)
class Table:
    """Rows that are read in batches, as often as asked: a name for messages, the names of the columns, and how to read.

    ``quoted`` says whether a field may stand in quotation marks, so that a stray one can swallow rows.
    """

    name: str
    columns: list[str]
    quoted: bool
    read: Callable[[list[str]], Iterator[pd.DataFrame]]

    def batches(self, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
        """Yield the wanted columns of all rows, in their order; the index counts the rows of the table from 0."""
        start = 0
        for batch in self.read(list(dict.fromkeys(columns))):
            yield batch.set_index(pd.RangeIndex(start, start + len(batch)))
            start += len(batch)


def as_objects(table: pa.Table) -> pd.DataFrame:
    """Return a table of Arrow as Python objects; a whole number stays one where others are missing."""
    return table.replace_schema_metadata(None).to_pandas(integer_object_nulls=True).astype(object)
