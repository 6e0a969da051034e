"""What an encoder reads, the token ids of prepared sentences and which of two sentences each token belongs to, and what it is to answer."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

INPUTS = ("input_ids", "token_type_ids")  # the second only for two sentences, of an encoder that tells them apart
IGNORED = -100  # the label of a text without a class, or of a token that is not to be guessed; torch's cross-entropy leaves it out


def read(dataset: Path, split: str, *others: str) -> pa.Table:
    """Return the inputs of a prepared split and the ``others`` of its columns, in its own order."""
    file = Path(dataset) / f"{split}.parquet"
    names = parquet.read_schema(file).names
    return parquet.read_table(file, columns=[name for name in (*INPUTS, *others) if name in names])
