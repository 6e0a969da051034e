"""What an encoder reads, the token ids of prepared sentences and which of two sentences each token belongs to, and what it is to answer."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

INPUTS = ("input_ids", "token_type_ids")  # the second only for two sentences, of an encoder that tells them apart
IGNORED = -100  # the label of a text without a class, or of a token that is not to be guessed; torch's cross-entropy leaves it out
ROW_GROUP = 100_000  # rows that are written at once


def read(dataset: Path, split: str, *further: str) -> pa.Table:
    """Return the inputs of a prepared split and the ``others`` of its columns, in its own order."""
    file = Path(dataset) / f"{split}.parquet"
    names = parquet.read_schema(file).names
    return parquet.read_table(file, columns=[name for name in (*INPUTS, *further) if name in names])


def write_tables(tables: Iterator[pa.Table], path: Path) -> int:
    """Write tables of one schema into one file as they come, so many rows at a time; returns how many rows they have."""
    count, waiting, writer = 0, [], None
    for table in tables:
        if writer is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = parquet.ParquetWriter(path, table.schema)
        waiting.append(table)
        count += len(table)
        if sum(map(len, waiting)) >= ROW_GROUP:
            writer.write_table(pa.concat_tables(waiting))
            waiting = []
    if waiting:
        writer.write_table(pa.concat_tables(waiting))
    if writer:
        writer.close()
    return count
