"""A random encoder whose vocabulary is that of the texts it will train on."""

import tempfile
from pathlib import Path

from encoder_compression.data.dataset import train_texts
from encoder_compression.data.sources.encoder import prepare_encoder


def prepare_with_vocabulary(*, source: dict, texts: dict | None, output: Path) -> dict:
    """Prepare an encoder as `prepare_encoder` does; returns facts about it.

    ``texts``, where there are any, holds the section "dataset" and the "task" of an experiment. The vocabulary then is that of the
    texts of its train split, and of nothing that is validated or tested on.
    """
    if not texts:
        return prepare_encoder(source=source, output=output)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "train.txt"
        file.write_text("\n".join(train_texts(**texts)), encoding="utf-8")
        random = {key: value for key, value in source["random"].items() if key != "vocabulary_of_train"}
        return prepare_encoder(source={"random": random | {"vocabulary_from": str(file)}}, output=output)
