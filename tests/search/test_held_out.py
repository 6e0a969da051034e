"""What a fold leaves out is predicted as training would score it, with a threshold that the fold's validation chose."""

import json

import numpy as np
import pytest
import torch

from encoder_compression.data import features, tasks
from encoder_compression.data.folds import cut_fold
from encoder_compression.encoders import pretrained
from encoder_compression.search import held_out
from encoder_compression.statistics import quality
from encoder_compression.techniques.finetune import finetune
from encoder_compression.techniques.qat import qat
from encoder_compression.training.train import Goal
from short_training import TRAINING

OPTIONS = {"training": TRAINING | {"precision": "float32"}}


@pytest.fixture(scope="module")
def fold(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("fold") / "dataset"
    cut_fold(dataset=dataset, output=folder, number=1, count=3, seed=1)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, encoder, fold):
    """The folder of a teacher and its facts."""
    folder = tmp_path_factory.mktemp("teacher")
    goal = Goal(dataset=fold, metric="accuracy", seed=1, name="test")
    facts = finetune(encoder=encoder, goal=goal, options=OPTIONS, model=folder / "model", curve=folder / "training.csv")
    (folder / "model" / "provenance.json").write_text(json.dumps({"facts": facts}), encoding="utf-8")
    return folder / "model", facts


def score(predicted: dict) -> float:
    return quality.score_decoded(tasks.load("classification"), "accuracy", predicted)


def test_predictions_are_those_of_the_model_on_the_left_out_texts_one_by_one(teacher, fold):
    predicted = held_out.predict(model=teacher[0], dataset=fold, technique="finetune", options=OPTIONS, metric="accuracy")
    rows = features.read(fold, "test", "label").to_pylist()
    model = pretrained.load_model(teacher[0]).eval()
    with torch.inference_mode():
        alone = [int(model(input_ids=torch.tensor([row["input_ids"]])).logits.argmax()) for row in rows]
    assert predicted == {"label": [row["label"] for row in rows], "prediction": alone}


def test_on_the_rows_of_validation_the_score_is_that_of_the_training(teacher, fold, monkeypatch):
    monkeypatch.setattr(held_out, "LEFT_OUT", "validation")
    predicted = held_out.predict(model=teacher[0], dataset=fold, technique="finetune", options=OPTIONS, metric="accuracy")
    assert score(predicted) == pytest.approx(teacher[1]["validation_score"])


def test_a_model_that_trained_with_rounding_is_scored_with_rounding(teacher, fold, tmp_path, monkeypatch):
    """At 4 bits in blocks of 32 a tiny model answers otherwise than in float."""
    options = OPTIONS | {"bits": 4, "block": 32, "gate": 0, "temperature": 2.0, "loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}}
    goal = Goal(dataset=fold, metric="accuracy", seed=1, name="test")
    paths = {"model": tmp_path / "model", "curve": tmp_path / "training.csv"}
    facts = qat(parent=teacher[0], teacher=teacher[0], soft_targets=None, goal=goal, options=options, **paths)
    rounded = {}
    monkeypatch.setattr(held_out, "FakeQuantization", lambda model, **how: rounded.update(how))
    held_out.predict(model=paths["model"], dataset=fold, technique="qat", options=options, metric="accuracy")
    assert rounded == {"bits": 4, "block": 32}
    monkeypatch.undo()
    monkeypatch.setattr(held_out, "LEFT_OUT", "validation")
    predicted = held_out.predict(model=paths["model"], dataset=fold, technique="qat", options=options, metric="accuracy")
    assert score(predicted) == pytest.approx(facts["validation_score"])


def test_a_threshold_is_the_best_one_of_the_folds_validation(teacher, fold, monkeypatch):
    """Whatever the left-out texts are like: the labels of validation are turned round, so its best threshold is another one."""
    described = tasks.describe(fold) | {"tuned": True}
    monkeypatch.setattr(tasks, "describe", lambda dataset: described)
    task = tasks.load("classification")
    seen = {}
    tune = task.tune

    def watched(predictions, validation, metric):
        seen.update(predictions=predictions, validation=validation)
        return tune(predictions, validation, metric)

    monkeypatch.setattr(task, "tune", watched)
    predicted = held_out.predict(model=teacher[0], dataset=fold, technique="finetune", options=OPTIONS, metric="f1")
    assert seen["validation"]["id"] == features.read(fold, "validation", "id")["id"].to_pylist()
    threshold = tune(seen["predictions"], seen["validation"], "f1")[1]["class_threshold"]
    odds = np.diff(np.array(seen["predictions"]["logits"]), axis=1)[:, 0]
    assert predicted["prediction"] == (odds > threshold).astype(int).tolist()
