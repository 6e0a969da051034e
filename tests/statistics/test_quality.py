"""Scores agree with torchmetrics and scipy, which compute them in other ways."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from sklearn import metrics
from torchmetrics.functional import classification as torchmetrics

from encoder_compression.data import tasks
from encoder_compression.data.tasks import classification
from encoder_compression.statistics import quality

GENERATOR = np.random.default_rng(5)
LABELS = GENERATOR.integers(0, 2, 400)
GOOD = np.where(GENERATOR.random(400) < 0.85, LABELS, 1 - LABELS)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("accuracy", torchmetrics.binary_accuracy),
        ("f1", torchmetrics.binary_f1_score),
        ("macro_f1", lambda predicted, labels: torchmetrics.multiclass_f1_score(predicted, labels, num_classes=2)),
        ("matthews", torchmetrics.binary_matthews_corrcoef),
    ],
)
def test_scores_are_those_of_torchmetrics(metric, reference):
    expected = float(reference(torch.tensor(GOOD), torch.tensor(LABELS)))
    assert quality.score(classification, metric, LABELS, GOOD) == pytest.approx(expected, rel=1e-6)


def test_one_answer_to_everything_scores_nothing_in_what_punishes_it():
    assert quality.score(classification, "matthews", LABELS, np.zeros(400, int)) == 0
    assert quality.score(classification, "macro_f1", LABELS, np.zeros(400, int)) < 0.4


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_resamples_spread_around_the_score(metric):
    replicates = quality.score_replicates(classification, metric, LABELS, GOOD, resamples=200)
    assert replicates.shape == (200,)
    assert replicates.mean() == pytest.approx(quality.score(classification, metric, LABELS, GOOD), abs=0.005)
    assert replicates.std() == pytest.approx(np.sqrt(0.85 * 0.15 / 400), rel=0.2)


def test_the_short_way_to_accuracy_takes_the_same_resamples():
    macro = quality.score_replicates(classification, "macro_f1", LABELS, GOOD, resamples=100)
    accuracy = quality.score_replicates(classification, "accuracy", LABELS, GOOD, resamples=100)
    assert np.corrcoef(macro, accuracy)[0, 1] > 0.99


def test_two_models_get_the_same_resamples_so_that_differences_are_paired():
    one, other = (
        quality.score_replicates(classification, "accuracy", LABELS, predicted) for predicted in (GOOD, np.append(GOOD[:-1], 1 - GOOD[-1]))
    )
    assert set(np.round(np.abs(one - other) * 400)) <= set(range(8))  # one example differs, and a resample holds it a few times
    assert (one != other).any()


def test_a_model_that_is_right_less_often_than_it_claims_is_off_by_the_difference():
    logits = np.log([[0.8, 0.2]] * 10)
    assert quality.calibration_error(logits, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.8 - 0.6)
    assert quality.calibration_error(logits, np.array([0] * 8 + [1] * 2)) == pytest.approx(0, abs=1e-6)


def test_the_calibration_error_weighs_the_bins_by_their_examples():
    logits = np.log([[0.8, 0.2]] * 30 + [[0.05, 0.95]] * 10)
    labels = np.array([0] * 15 + [1] * 15 + [1] * 10)
    assert quality.calibration_error(logits, labels) == pytest.approx(0.75 * (0.8 - 0.5) + 0.25 * (1 - 0.95))


def test_the_divergence_is_the_mean_of_scipys_relative_entropy():
    before, after = GENERATOR.normal(size=(2, 50, 3))
    expected = stats.entropy(special.softmax(before, axis=1), special.softmax(after, axis=1), axis=1).mean()
    assert quality.divergence(before, after) == pytest.approx(expected)
    assert quality.divergence(before, before + 3) == pytest.approx(0, abs=1e-12)


def test_recalls_are_the_diagonal_of_the_confusion_matrix():
    confusion = metrics.confusion_matrix(LABELS, GOOD, normalize="true")
    assert quality.recalls(LABELS, GOOD, 2) == pytest.approx(np.diag(confusion))


def test_a_class_without_examples_has_a_recall_of_zero():
    assert quality.recalls(np.zeros(4, int), np.array([0, 0, 0, 2]), 3) == pytest.approx([0.75, np.nan, np.nan], nan_ok=True)


def test_the_standard_error_of_a_mean_is_that_of_its_credits():
    labels, predictions = [1] * 10, [1] * 7 + [0] * 3
    error = quality.standard_error(classification, "accuracy", {"label": labels, "prediction": predictions})
    assert error == pytest.approx(np.sqrt(0.7 * 0.3 / 9))


def test_the_standard_error_of_other_scores_is_that_of_resampled_examples():
    """Of 400 pairs of normal numbers with a correlation of 0.6 it is near (1 - 0.6²) / √400, Fisher's."""
    rng = np.random.default_rng(1)
    labels = rng.normal(size=400)
    predictions = 0.6 * labels + 0.8 * rng.normal(size=400)
    error = quality.standard_error(tasks.load("regression"), "pearson", {"label": labels.tolist(), "prediction": predictions.tolist()})
    assert error == pytest.approx((1 - 0.6**2) / 20, rel=0.25)


def test_examples_of_one_group_count_once_for_a_standard_error():
    """Ten alike answers in each of 16 groups say no more than 16 would alone."""
    hits = np.repeat([1, 1, 1, 0] * 4, 10)
    texts = [["yes"]] * 160, ["yes" if hit else "no" for hit in hits]
    columns = dict(zip(("label", "prediction"), texts, strict=True))
    groups = np.repeat(np.arange(16), 10).astype(str).tolist()
    error = quality.standard_error(tasks.load("question-answering"), "exact_match", columns | {"group": groups})
    assert error == pytest.approx(np.sqrt(0.75 * 0.25 / 16), rel=0.2)
    alone = quality.standard_error(tasks.load("question-answering"), "exact_match", columns)
    assert alone == pytest.approx(np.sqrt(0.75 * 0.25 / 160), rel=0.05)
