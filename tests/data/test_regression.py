"""A number for a pair of sentences: trained by its squared error, distilled by it, scored by correlation."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from conftest import TINY_CSV, make_encoder
from encoder_compression.data import tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks import regression
from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.statistics import quality
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.train import Goal
from short_training import TRAINING


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("base"))


def prepare(folder, encoder, **changes):
    texts = pd.read_csv(TINY_CSV)["text"].tolist()
    pairs = pd.DataFrame({"one": texts, "other": texts[::-1], "score": [index % 11 / 2 for index in range(len(texts))]}).assign(**changes)
    pairs.to_json(folder / "pairs.jsonl", orient="records", lines=True)
    options = {
        "files": {"train": str(folder / "pairs.jsonl")},
        "format": {},
        "columns": {"text": "one", "text_pair": "other", "label": "score"},
        "split": {"validation": 0.2, "test": 0.3},
        "max_length": 32,
    }
    prepare_dataset(options=options, task="regression", encoder=encoder, output=folder / "dataset")
    return folder / "dataset"


def test_a_number_is_learnt_and_given_to_students(tmp_path, encoder):
    dataset = prepare(tmp_path, encoder)
    goal = Goal(dataset=dataset, metric="pearson", seed=1, name="test")
    facts = finetune(encoder=encoder, goal=goal, options={"training": TRAINING}, model=tmp_path / "model", curve=tmp_path / "training.csv")
    assert -1 <= facts["validation_score"] <= 1
    model = pretrained.load_model(tmp_path / "model")
    assert (model.config.num_labels, model.config.problem_type) == (1, "regression")
    predict_soft_targets(teacher=tmp_path / "model", dataset=dataset, output=tmp_path / "soft", name="test")
    targets = np.stack(pd.read_parquet(tmp_path / "soft/logits.parquet")["logits"])
    assert targets.shape == (tasks.describe(dataset)["rows"]["train"], 1) and np.ptp(targets) > 0


def test_a_student_of_a_number_is_pulled_to_it_and_not_to_a_distribution_of_one(tmp_path, encoder):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", regression.head({})).eval()
    batch = {"input_ids": torch.tensor([[5, 6, 7]] * 2), "attention_mask": torch.ones(2, 3, dtype=torch.long), "labels": torch.ones(2)}
    objective = Distillation(weights={"hard": 0.0, "soft": 1.0, "hidden": 0.0, "relation": 0}, temperature=2.0, teacher=None)
    told = model(**batch).logits.detach() + 3
    assert objective(model, batch | {"teacher_logits": told})["soft"].item() == pytest.approx(9, rel=1e-4)


def test_correlations_are_scipys():
    labels, predictions = np.random.default_rng(0).normal(size=(2, 50))
    assert quality.score(regression, "pearson", labels, predictions) == pytest.approx(stats.pearsonr(labels, predictions)[0])
    assert quality.score(regression, "spearman", labels, predictions) == pytest.approx(stats.spearmanr(labels, predictions)[0])
    assert quality.score(regression, "pearson", labels, np.ones(50)) == 0


def test_a_model_whose_numbers_differ_by_rounding_alone_has_learnt_nothing():
    labels, noise = np.linspace(0, 5, 50), np.random.default_rng(0).normal(scale=1e-4, size=50)
    assert regression.is_constant(labels, 2 + noise)
    assert quality.score(regression, "pearson", labels, 2 + noise) == 0
    assert not regression.is_constant(labels, 2 + 0.1 * labels)


def test_a_label_that_is_no_number_is_told_with_its_count_and_ids(tmp_path, encoder):
    with pytest.raises(
        UserError,
        match=r"64 rows of split 'train' \(.*\) have no number as their label: train-0 \('high'\), train-1 .*; a regression needs",
    ):
        prepare(tmp_path, encoder, score="high")


def test_the_range_of_the_labels_is_recorded(tmp_path, encoder):
    assert json.loads((prepare(tmp_path, encoder) / "dataset.json").read_text(encoding="utf-8"))["label_range"] == [0.0, 5.0]
