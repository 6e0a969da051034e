"""The invented articles as a prepared data set, and models that learn on them, for tests about corpora."""

from pathlib import Path

from conftest import ROOT
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.run import provenance
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.train import Goal
from trained_students import run_distill

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
TRAINING = {
    "epochs": 2,
    "learning_rate": 3e-3,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 9,
    "precision": "float32",
}


def make_encoder(folder: Path, **changes) -> Path:
    """Write a random encoder whose vocabulary is that of the articles."""
    source = {"architecture": "bert", "vocabulary_from": str(CORPUS)} | SHAPE | changes
    prepare_encoder(source={"random": source}, output=folder)
    return folder


def prepare(encoder: Path, folder: Path, **changes) -> dict:
    """Write the prepared articles into the folder; returns the facts."""
    return prepare_dataset(options=OPTIONS | changes, task=TASK, encoder=encoder, output=folder)


def make_goal(encoder: Path, folder: Path) -> Goal:
    """Return the goal of guessing words in the articles, which are written to the folder."""
    prepare(encoder, folder)
    return Goal(dataset=folder, metric="masked_accuracy", seed=1, name="test")


def tuned(folder: Path, encoder: Path, goal, *, epochs: int, **more) -> Path:
    """Write a teacher whose language-model head was trained; returns the folder."""
    options = {"training": TRAINING | {"epochs": epochs}} | more
    facts = finetune(encoder=encoder, goal=goal, options=options, model=folder / "model", curve=folder / "training.csv")
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    return folder


def learn(folder: Path, teacher: Path, encoder: Path, goal, **changes) -> dict:
    """Write a student of one layer; returns the facts."""
    options = {"gate": 0, "layers": "even", "keep": 1, "start": "finetuned", "temperature": 2, "training": TRAINING}
    options |= {"loss": {"hard": 0.5, "soft": 0.5, "hidden": 0.1, "relation": 0}} | changes
    return run_distill(
        teacher=teacher / "model",
        encoder=encoder,
        goal=goal,
        options=options,
        folder=folder,
        start=options.pop("begun", None),
        soft_targets=options.pop("kept", None),
    )
