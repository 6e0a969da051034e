"""An ensemble as a teacher: one set of soft targets from several (Hinton et al. 2015, section 3)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data.features import write_tables
from encoder_compression.teaching.soft_targets import CHUNK, FILE_NAME, in_rows


def average_soft_targets(*, members: list[Path], output: Path) -> dict:
    """Write the mean of the members' logits, row for row, as `predict_soft_targets` writes those of one; returns facts.

    After the softmax that is the geometric mean of their distributions, whatever the temperature.
    """
    files = [parquet.ParquetFile(Path(member) / FILE_NAME) for member in members]
    parts = zip(*(file.iter_batches(CHUNK) for file in files), strict=True)
    count = write_tables(map(_mean, parts), Path(output) / FILE_NAME)
    return {"members": len(members), "inputs": count}


def _mean(parts: tuple[pa.RecordBatch, ...]) -> pa.Table:
    """Return the mean logits of the same rows by several teachers."""
    rows = zip(*(part["logits"].to_pylist() for part in parts), strict=True)
    logits = [in_rows(np.mean(np.array(row, dtype=np.float32), axis=0)) for row in rows]
    return pa.table({"id": parts[0]["id"], "logits": logits})
