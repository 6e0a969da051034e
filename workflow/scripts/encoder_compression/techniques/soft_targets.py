"""The teacher's logits on train, computed once for all its students."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import compute, parquet

from encoder_compression import encoders, features, progress, tasks
from encoder_compression.finite import require_finite

BATCH_SIZE = 64
FILE_NAME = "logits.parquet"


def predict_soft_targets(*, teacher: Path, dataset: Path, output: Path, name: str) -> dict:
    """Write ``output/logits.parquet``: the logits of the frozen teacher, in eval mode, for every input of train.

    Its columns are id and logits, in the order of train: [classes], or of a span's start and end [2, length], -inf where
    none can be. Returns facts. UserError where an answer is not finite.
    """
    model = encoders.load_model(teacher).eval()
    tokenizer = encoders.load_tokenizer(teacher)
    possible = tasks.of_dataset(dataset).possible
    inputs, rows = features.read(dataset, "train"), parquet.read_table(Path(dataset) / "train.parquet")
    by_length = np.argsort(compute.list_value_length(inputs["input_ids"]).to_numpy(), kind="stable")
    logits: list = [None] * len(inputs)
    with torch.inference_mode(), progress.bar(len(inputs), description=name, unit="input") as bar:
        for start in range(0, len(inputs), BATCH_SIZE):
            chosen = by_length[start : start + BATCH_SIZE]
            batch = tokenizer.pad(inputs.take(chosen).to_pydict(), return_tensors="pt")
            found = encoders.logits(model(**batch)).float().numpy()
            answers = require_finite(found, source=f"the teacher {teacher}", remedy="make its weights anew with a lower learning_rate")
            for index, row, answer in zip(chosen, rows.take(chosen).to_pylist(), answers, strict=True):
                logits[index] = in_rows(possible(answer, row))
            bar.update(len(chosen))
    Path(output).mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": rows["id"], "logits": logits}), Path(output) / FILE_NAME)
    return {"inputs": len(inputs)}


def in_rows(logits: np.ndarray) -> np.ndarray | list[np.ndarray]:
    """Return logits as Arrow takes them: an array of one dimension, or a list of such."""
    return logits if logits.ndim == 1 else list(logits)
