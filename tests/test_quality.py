"""Scores and tests agree with scikit-learn and scipy."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from encoder_compression import quality

GENERATOR = np.random.default_rng(5)
LABELS = GENERATOR.integers(0, 2, 400)
GOOD = np.where(GENERATOR.random(400) < 0.85, LABELS, 1 - LABELS)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [("accuracy", metrics.accuracy_score), ("f1", metrics.f1_score), ("matthews", metrics.matthews_corrcoef)],
)
def test_scores_are_scikit_learns(metric, reference):
    assert quality.score(metric, LABELS, GOOD) == reference(LABELS, GOOD)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "macro_f1", "matthews"])
def test_the_interval_holds_the_score_and_has_about_the_right_width(metric):
    low, high = quality.score_interval(metric, LABELS, GOOD)
    assert low < quality.score(metric, LABELS, GOOD) < high
    if metric == "accuracy":
        p = quality.score(metric, LABELS, GOOD)
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 400), rel=0.15)


def test_the_interval_is_the_same_at_every_call():
    assert quality.score_interval("accuracy", LABELS, GOOD) == quality.score_interval("accuracy", LABELS, GOOD)


def test_equal_predictions_are_not_distinguishable():
    assert quality.mcnemar(LABELS, GOOD, GOOD) == 1.0


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs():
    labels, one, other = np.ones(20), np.ones(20), np.ones(20)
    one[:2] = 0
    other[2:12] = 0
    assert quality.mcnemar(labels, one, other) == pytest.approx(stats.binomtest(2, 12, 0.5).pvalue)
