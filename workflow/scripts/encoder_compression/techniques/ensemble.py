"""An ensemble as a teacher: one set of soft targets from several (Hinton et al. 2015, section 3)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from encoder_compression.techniques.soft_targets import FILE_NAME, in_rows


def average_soft_targets(*, members: list[Path], output: Path) -> dict:
    """Write the mean of the members' logits, row for row, as `predict_soft_targets` writes those of one; returns facts.

    After the softmax that is the geometric mean of their distributions, whatever the temperature.
    """
    tables = [parquet.read_table(Path(member) / FILE_NAME) for member in members]
    rows = zip(*(table["logits"].to_pylist() for table in tables), strict=True)
    logits = [in_rows(np.mean(np.array(row, dtype=np.float32), axis=0)) for row in rows]
    Path(output).mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": tables[0]["id"], "logits": logits}), Path(output) / FILE_NAME)
    return {"members": len(members), "inputs": len(logits)}
