"""The invented articles as a prepared data set, for tests about corpora."""

from pathlib import Path

from conftest import ROOT
from encoder_compression.dataset import prepare_dataset
from encoder_compression.sources.encoder import prepare_encoder

CORPUS = ROOT / "tests" / "data" / "tiny_corpus.txt"
TASK = "masked-language-modelling"
OPTIONS = {
    "files": {"train": str(CORPUS)},
    "format": {"separator": "", "header": True, "quoting": True},
    "columns": {"text": "text"},
    "split": {"validation": 0.2, "test": 0.25},
    "max_length": 32,
    "masking": {"share": 0.15, "whole_words": False},
}
SHAPE = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64, "positions": 64, "seed": 0, "vocabulary_size": 400}


def make_encoder(folder: Path, **changes) -> Path:
    """Write a random encoder whose vocabulary is that of the articles."""
    source = {"architecture": "bert", "vocabulary_from": str(CORPUS)} | SHAPE | changes
    prepare_encoder(source={"random": source}, output=folder)
    return folder


def prepare(encoder: Path, folder: Path, **changes) -> dict:
    """Write the prepared articles into the folder; returns the facts."""
    return prepare_dataset(options=OPTIONS | changes, task=TASK, encoder=encoder, output=folder)
