"""Probabilities from outside are soft targets: found by their texts, checked, and allowed to be missing."""

import json

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from scipy.special import softmax

from encoder_compression.errors import UserError
from encoder_compression.teaching.given_targets import fit_probabilities

OPTIONS = {"format": {}, "columns": {"text": "text"}, "classes": {}, "unlabelled": False}


@pytest.fixture
def dataset(tmp_path):
    """Three rows of train with the classes bad and good."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    pd.DataFrame({"id": ["a", "b", "c"], "text": ["it drags", "a joy, from start", "sharp"]}).to_parquet(folder / "train.parquet")
    (folder / "dataset.json").write_text(json.dumps({"labels": ["bad", "good"]}), encoding="utf-8")
    return folder


def fit(dataset, table: pd.DataFrame, **options) -> tuple[dict, list]:
    """Return facts, and the logits of each row of train, of probabilities in a CSV file."""
    file = dataset.parent / "given.csv"
    table.to_csv(file, index=False)
    options = OPTIONS | {"files": {"train": str(file)}} | options
    facts = fit_probabilities(options=options, rows=dataset, dataset=dataset, output=dataset.parent / "fitted")
    return facts, parquet.read_table(dataset.parent / "fitted/logits.parquet")["logits"].to_pylist()


GIVEN = pd.DataFrame({"good": [0.75, 0.1], "text": [" a joy, from start ", "it drags"], "bad": [0.25, 0.9]})


def test_each_class_has_its_column_and_each_row_is_found_by_its_text(dataset):
    facts, logits = fit(dataset, GIVEN)
    np.testing.assert_allclose(softmax(logits[:2], axis=1), [[0.9, 0.1], [0.25, 0.75]], atol=1e-6)
    assert logits[2] == [-np.inf, -np.inf]
    assert facts == {"inputs": 3, "without": 1, "unused": 0}


def test_columns_may_be_called_otherwise(dataset):
    table = GIVEN.rename(columns={"good": "p1", "text": "sentence", "bad": "p0"})
    _, logits = fit(dataset, table, columns={"text": "sentence"}, classes={"bad": "p0", "good": "p1"})
    np.testing.assert_allclose(softmax(logits[:2], axis=1), [[0.9, 0.1], [0.25, 0.75]], atol=1e-6)


def test_a_row_without_numbers_has_no_soft_target_and_one_of_no_text_is_counted(dataset):
    table = pd.concat([GIVEN, pd.DataFrame({"text": ["sharp", "of no row"], "good": [np.nan, 0.5], "bad": [np.nan, 0.5]})])
    facts, logits = fit(dataset, table)
    assert logits[2] == [-np.inf, -np.inf]
    assert facts == {"inputs": 3, "without": 1, "unused": 1}


def test_rounded_probabilities_are_scaled_to_1_and_a_zero_is_no_mass(dataset):
    _, logits = fit(dataset, GIVEN.assign(good=[0.667, 0], bad=[0.334, 1]))
    np.testing.assert_allclose(softmax(logits[:2], axis=1), [[1, 0], [0.334 / 1.001, 0.667 / 1.001]], atol=1e-6)
    assert np.isfinite(logits[:2]).all()


def test_the_first_row_of_a_text_counts(dataset):
    table = pd.concat([GIVEN, pd.DataFrame({"text": ["it drags"], "good": [0.8], "bad": [0.2]})])
    _, logits = fit(dataset, table)
    np.testing.assert_allclose(softmax(logits[0]), [0.9, 0.1], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bad": [0.3, 0.9]}, r"1 rows of .*given.csv have probabilities that do not add up to 1: row 0 \(0.3 0.75\); mend the rows"),
        ({"bad": [0.25, -0.9]}, r"1 rows of .*given.csv have a probability below 0: row 1 \(-0.9 0.1\); mend"),
        ({"bad": [0.25, None]}, r"1 rows of .* have a probability for some of the classes and not for all: row 1 \(nan 0.1\); mend"),
        (
            {"bad": [0.25, "none"]},
            r"row 1 of .*given.csv has 'none' in column 'bad'; give a probability, or leave the cells of the row empty",
        ),
        ({"text": ["x", "y"]}, r"given.csv has none of the 3 texts of .*dataset; give the texts as the data set has them"),
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(dataset, changes, message):
    with pytest.raises(UserError, match=message):
        fit(dataset, GIVEN.assign(**changes))


def test_a_class_without_a_column_and_a_column_of_no_class_are_refused(dataset):
    with pytest.raises(UserError, match=r"has no column 'good' for the class 'good'; .*'classes' of soft_targets names"):
        fit(dataset, GIVEN.drop(columns="good"))
    with pytest.raises(UserError, match=r"soft_targets.classes: the data set has no class 'god'; did you mean 'good'\?"):
        fit(dataset, GIVEN, classes={"god": "good"})


def test_where_further_texts_are_read_too_none_of_train_need_be_there(dataset):
    facts, _ = fit(dataset, GIVEN.assign(text=["x", "y"]), unlabelled=True)
    assert facts == {"inputs": 3, "without": 3, "unused": 2}
