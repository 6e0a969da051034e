"""The threshold of a recall is the one of the ROC curve of validation with most recall at no more false positives than allowed."""

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import roc_curve

from encoder_compression.errors import UserError
from encoder_compression.statistics import recall

CLASSES = {"labels": ["bad", "fine", "good"]}


def draw(seed: int, examples: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds with ties where ``digits`` are few, and which examples are positive."""
    generator = np.random.default_rng(seed)
    positive = generator.random(examples) < 0.4
    return np.round(generator.normal(positive, 1.0), digits), positive


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.29, 0.5, 0.99])
@pytest.mark.parametrize("digits", [0, 1, 9])
@pytest.mark.parametrize("examples", [12, 200])
def test_no_threshold_of_the_roc_curve_has_more_recall_at_the_rate(rate, digits, examples):
    odds, positive = draw(5, examples, digits)
    chosen = odds > recall.threshold(odds, positive, rate)
    false_positives, true_positives, _ = roc_curve(positive, odds, drop_intermediate=False)
    assert chosen[~positive].mean() <= rate + 1e-12
    assert chosen[positive].mean() == pytest.approx(true_positives[false_positives <= rate + 1e-12].max())


def test_by_hand():
    """Of four negatives at 0, 1, 2 and 3 one may be taken at 25 %: what exceeds 2, and at 20 % none: what exceeds 3."""
    odds, positive = np.array([0.0, 1, 2, 3, 2.5, 1.5, 4]), np.array([False] * 4 + [True] * 3)
    assert recall.threshold(odds, positive, 0.25) == 2
    assert recall.threshold(odds, positive, 0.2) == 3


def test_a_share_that_is_no_exact_number_still_allows_its_whole_count():
    odds, positive = np.arange(100.0), np.zeros(100, bool)
    assert 0.29 * 100 < 29  # in floating point
    assert (odds > recall.threshold(odds, positive, 0.29)).sum() == 29


def test_without_a_negative_there_is_no_threshold():
    assert recall.threshold(np.array([1.0, 2.0]), np.array([True, True]), 0.05) is None


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_log_odds_are_those_of_one_class_against_all_others(classes):
    logits = np.random.default_rng(6).normal(0, 3, (50, classes))
    probabilities = special.softmax(logits, axis=1)[:, 1]
    assert recall.log_odds(logits, 1) == pytest.approx(np.log(probabilities / (1 - probabilities)))


def test_what_validation_chose_is_saved_with_class_and_rate():
    logits = np.eye(3)[[0, 0, 1, 1, 2, 2, 2]] * np.array([[1], [2], [3], [4], [5], [6], [-1]])
    validation = {"label": [0, 0, 1, 1, 2, 2, 2], "logits": logits.tolist()}
    chosen = recall.choose(validation, CLASSES, label="good", false_positive_rate=0.1)
    assert chosen == {"label": "good", "false_positive_rate": 0.1, "log_odds": pytest.approx(-np.log(np.e + 1))}


def test_a_class_that_the_data_set_lacks_is_one_line_with_the_nearest():
    with pytest.raises(UserError, match=r"^gate.recall.label: the data set has no class 'god'; did you mean 'good'\?$"):
        recall.place_of("god", CLASSES)
