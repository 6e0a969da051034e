"""Rows that a student trains on beside those of train (Turc et al. 2019, unlabelled transfer data)."""

from pathlib import Path

import numpy as np
from datasets import Dataset
from pyarrow import parquet

from encoder_compression.data.features import IGNORED
from encoder_compression.study.teachers import asks_teacher
from encoder_compression.teaching.distillation import soft_columns
from encoder_compression.training.examples import read_train


def further_rows(unlabelled: Path | None, soft_targets: Path | None, dataset: Path, options: dict) -> Dataset | None:
    """Return the texts without labels with the teacher's logits on them, or None where the step has no such texts.

    A control, which labels alone teach, gets as many rows of train again in their place: so its epochs have as many steps.
    """
    if not unlabelled:
        return None
    texts = read_train(unlabelled, soft_columns(soft_targets, options))
    if not asks_teacher(options["loss"]):
        train = read_train(dataset, {})
        return train.select(np.arange(len(texts)) % len(train))
    return texts.add_column("labels", _no_labels(dataset, len(texts)))


def _no_labels(dataset: Path, count: int) -> np.ndarray:
    """Return as many labels of the data set's own kind that mean none: NaN among numbers, IGNORED among classes."""
    kind = parquet.read_schema(Path(dataset) / "train.parquet").field("label").type.to_pandas_dtype()
    return np.full(count, np.nan if np.issubdtype(kind, np.floating) else IGNORED, kind)
