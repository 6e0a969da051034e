"""Of two classes of unequal size, validation can choose how likely the rare one must be."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from encoder_compression.data import tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks import classification
from encoder_compression.errors import UserError
from encoder_compression.statistics import quality

RARE = 0.12


def answers(count: int, seed: int) -> dict:
    """Return labels, few of them 1, and logits that lean to 0: told apart well, but not by even odds."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < RARE).astype(int)
    odds = generator.normal(np.where(labels, 0.5, -4.0), 1.5)
    logits = np.stack([np.zeros(count), odds], axis=1)
    return {"label": labels.tolist(), "logits": logits.tolist(), "prediction": (odds > 0).astype(int).tolist()}


@pytest.mark.parametrize("metric", ["macro_f1", "f1", "matthews", "accuracy"])
def test_the_threshold_scores_as_well_on_validation_as_the_best_of_all(metric):
    validation = answers(300, seed=1)
    tuned, facts = classification.tune(validation, validation, metric)
    odds, labels = np.array(validation["logits"])[:, 1], np.array(validation["label"])
    every = [quality.score(classification, metric, labels, (odds > threshold).astype(int)) for threshold in [0, *odds]]
    assert quality.score(classification, metric, labels, np.array(tuned["prediction"])) == pytest.approx(max(every), abs=0.01)
    assert ((odds > facts["class_threshold"]) == np.array(tuned["prediction"])).all()


def test_a_rare_class_gains_on_texts_that_did_not_choose_the_threshold():
    test, validation = answers(4000, seed=2), answers(1000, seed=3)
    tuned, facts = classification.tune(test, validation, "macro_f1")
    before, after = (f1_score(test["label"], found["prediction"], average="macro") for found in (test, tuned))
    assert after > before + 0.01
    assert facts["class_threshold"] < 0


def test_where_even_odds_are_as_good_as_any_they_stay():
    clear = {"label": [0, 0, 1, 1], "logits": [[3, 0], [4, 0], [0, 3], [0, 5]]}
    assert classification.tune(clear, clear, "accuracy")[1] == {"class_threshold": 0.0}


@pytest.fixture
def prepare(tiny, encoder, tmp_path):
    """Prepare two classes of a table, or three, with a threshold between them."""

    def write(classes: int):
        rows = [f"text number {index},{index % classes}" for index in range(60)]
        (tmp_path / "table.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
        options = tiny.options["dataset"] | {"files": {"train": str(tmp_path / "table.csv")}, "tune_threshold": True}
        options.pop("label_names", None)
        prepare_dataset(options=options, task="classification", encoder=encoder, output=tmp_path / "dataset")
        return tmp_path / "dataset"

    return write


def test_the_prepared_data_set_says_that_a_threshold_is_sought_and_training_scores_by_it(prepare):
    folder = prepare(2)
    assert classification.is_tuned(tasks.describe(folder))
    labels = classification.decode(
        folder, "validation", [[0, 0]] * json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["rows"]["validation"]
    )
    logits = [[0.0, -2.0 if label else -3.0] for label in labels["label"]]
    assert quality.score_logits(folder, "validation", "accuracy", logits) == 1


def test_three_classes_have_no_threshold_between_them(prepare):
    with pytest.raises(UserError, match="tune_threshold is for two classes, but there are 3; take it out"):
        prepare(3)
