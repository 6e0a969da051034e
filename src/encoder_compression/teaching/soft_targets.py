"""The teacher's logits on train, computed once for all its students."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import compute, parquet
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data import features, tasks
from encoder_compression.data.features import write_tables
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import progress
from encoder_compression.statistics.finite import require_finite

BATCH_SIZE = 64
CHUNK = 50_000  # rows whose logits are held as Python objects at a time; of fewer the order of the lengths is that of all
FILE_NAME = "logits.parquet"


def predict_soft_targets(*, teacher: Path, dataset: Path, output: Path, name: str) -> dict:
    """Write ``output/logits.parquet``: the logits of the frozen teacher, in eval mode, for every input of train.

    Its columns are id and logits, in the order of train: [classes], or of a span's start and end [2, length], -inf where
    none can be. Returns facts. UserError where an answer is not finite.
    """
    model = pretrained.load_model(teacher).eval().to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = encoder_facts.load_tokenizer(teacher)
    possible = tasks.of_dataset(dataset).possible
    file = parquet.ParquetFile(Path(dataset) / "train.parquet")
    count = file.metadata.num_rows
    with torch.inference_mode(), progress.bar(count, description=name, unit="input") as bar:
        parts = (_predict(model, tokenizer, pa.table(part), possible, bar) for part in file.iter_batches(CHUNK))
        write_tables(parts, Path(output) / FILE_NAME)
    return {"inputs": count}


def _predict(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: pa.Table, possible: Callable, bar) -> pa.Table:
    """Return id and logits of some rows of train, which are read in the order of their lengths."""
    inputs = rows.select([name for name in features.INPUTS if name in rows.column_names])
    by_length = np.argsort(compute.list_value_length(inputs["input_ids"]).to_numpy(), kind="stable")
    logits: list = [None] * len(rows)
    for start in range(0, len(rows), BATCH_SIZE):
        chosen = by_length[start : start + BATCH_SIZE]
        batch = tokenizer.pad(inputs.take(chosen).to_pydict(), return_attention_mask=True, return_tensors="pt").to(model.device)
        answers = pretrained.logits(model(**batch)).float().cpu().numpy()
        require_finite(answers, source=f"the teacher {model.name_or_path}", remedy="make its weights anew with a lower learning_rate")
        for index, row, answer in zip(chosen, rows.take(chosen).to_pylist(), answers, strict=True):
            logits[index] = in_rows(possible(answer, row))
        bar.update(len(chosen))
    return pa.table({"id": rows["id"], "logits": logits})


def in_rows(logits: np.ndarray) -> np.ndarray | list[np.ndarray]:
    """Return logits as Arrow takes them: an array of one dimension, or a list of such."""
    return logits if logits.ndim == 1 else list(logits)
