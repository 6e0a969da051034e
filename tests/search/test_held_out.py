"""What a fold leaves out is predicted as training would score it, with a threshold that the fold's validation chose."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score

from conftest import ROOT, make_encoder
from encoder_compression.data import features, tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.folds import cut_fold
from encoder_compression.encoders import pretrained
from encoder_compression.search import held_out, trials
from encoder_compression.statistics import quality
from encoder_compression.study import nested
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


def test_a_trial_is_worth_what_its_models_answer_on_all_that_is_left_out(tmp_path, encoder, dataset):
    """Both folds are trained again without a search, and every left-out text is answered alone."""
    for number in (1, 2):
        cut_fold(dataset=dataset, output=tmp_path / str(number), number=number, count=2, seed=1)
    parts = [{"encoder": encoder, "dataset": tmp_path / str(number)} for number in (1, 2)]
    output, goal = tmp_path / "worker1" / "trials.json", Goal(dataset=parts[0]["dataset"], metric="macro_f1", seed=1, name="test")
    output.parent.mkdir()
    space = {"training.learning_rate": {"choices": [1e-3, 5e-3]}}
    search = {
        "trials": 1,
        "sampler": "random",
        "objectives": ["score"],
        "within": 0,
        "workers": 1,
        "version": 1,
        "folds": 2,
        "space": space,
    }
    state, journal = torch.get_rng_state(), tmp_path / "journal.log"
    trials.work(technique="finetune", parts=parts, goal=goal, options=OPTIONS, search=search, worker=1, journal=journal, output=output)
    study = trials.open_study(journal, json.loads(output.read_text(encoding="utf-8"))["study"], ["score"])
    (trial,) = study.trials
    options = nested.put(OPTIONS, nested.decode(trial.params, space))
    labels, predictions = [], []
    for number, part in enumerate(parts, start=1):
        torch.set_rng_state(state)
        model = tmp_path / f"again{number}" / "model"
        finetune(encoder=encoder, goal=replace(goal, dataset=part["dataset"]), options=options, model=model, curve=model.parent / "curve")
        network, rows = pretrained.load_model(model).eval(), features.read(part["dataset"], "test", "label").to_pylist()
        with torch.inference_mode():
            predictions += [int(network(input_ids=torch.tensor([row["input_ids"]])).logits.argmax()) for row in rows]
        labels += [row["label"] for row in rows]
    assert trial.value == pytest.approx(f1_score(labels, predictions, average="macro"))
    assert trial.intermediate_values.keys() == {1, 2} and trial.user_attrs["examples"] == len(labels)


def test_questions_are_answered_whole_and_keep_their_group(tmp_path):
    columns = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}
    options = {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "format": {}, "columns": columns}
    options |= {"split": {"validation": 0.2, "test": 0.25}, "max_length": 48, "stride": 8}
    base = make_encoder(tmp_path / "base", positions=80)
    prepare_dataset(options=options, task="question-answering", encoder=base, output=tmp_path / "whole")
    cut_fold(dataset=tmp_path / "whole", output=tmp_path / "fold", number=1, count=2, seed=1)
    goal = Goal(dataset=tmp_path / "fold", metric="f1", seed=1, name="test")
    finetune(encoder=base, goal=goal, options=OPTIONS, model=tmp_path / "model", curve=tmp_path / "training.csv")
    predicted = held_out.predict(model=tmp_path / "model", dataset=goal.dataset, technique="finetune", options=OPTIONS, metric="f1")
    questions = pd.read_parquet(tmp_path / "fold" / "test_questions.parquet")
    assert predicted["group"] == questions["group"].tolist()
    assert predicted["label"] == [list(answers) for answers in questions["answers"]]
    assert all(text in context for text, context in zip(predicted["prediction"], questions["context"], strict=True))
