"""The examples of a prepared split as a user has them: what predict.py takes."""

from pathlib import Path

from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.data.tasks import sentences


def of_split(dataset: Path, split: str) -> list:
    """Return texts, lists of two texts, or questions with their contexts."""
    if tasks.describe(dataset)["task"] == "question-answering":
        return parquet.read_table(Path(dataset) / f"{split}_questions.parquet", columns=["question", "context"]).to_pylist()
    file = Path(dataset) / f"{split}.parquet"
    roles = [role for role in sentences.TEXTS if role in parquet.read_schema(file).names]
    columns = [parquet.read_table(file, columns=[role])[role].to_pylist() for role in roles]
    return columns[0] if len(columns) == 1 else [list(pair) for pair in zip(*columns, strict=True)]
