"""The teacher's logits on train, computed once for all its students."""

from pathlib import Path

import pyarrow as pa
import torch
from pyarrow import parquet

from encoder_compression import encoders, features, progress

BATCH_SIZE = 64


def predict_soft_targets(*, teacher: Path, dataset: Path, output: Path, name: str) -> dict:
    """Write ``output/logits.parquet``: the logits of the frozen teacher, in eval mode, for every sentence of train.

    Its columns are id and logits [classes], in the order of train. Returns facts.
    """
    model = encoders.load_classifier(teacher).eval()
    tokenizer = encoders.load_tokenizer(teacher)
    train = features.read(dataset, "train", "id")
    sentences = train.drop_columns("id").to_pylist()
    by_length = sorted(range(len(sentences)), key=lambda index: len(sentences[index]["input_ids"]))
    logits: list = [None] * len(sentences)
    with torch.inference_mode(), progress.bar(len(sentences), description=name, unit="sentence") as bar:
        for start in range(0, len(by_length), BATCH_SIZE):
            chosen = by_length[start : start + BATCH_SIZE]
            batch = tokenizer.pad([sentences[index] for index in chosen], return_tensors="pt")
            for index, row in zip(chosen, model(**batch).logits.tolist(), strict=True):
                logits[index] = row
            bar.update(len(chosen))
    Path(output).mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": train["id"], "logits": logits}), Path(output) / "logits.parquet")
    return {"sentences": len(sentences)}
