"""Resamples of the calibration error are those of torchmetrics, and its bounds hold the truth although the error itself is too large."""

import numpy as np
import pytest

from encoder_compression.reporting.gate_clauses import _calibrated
from encoder_compression.statistics import quality
from encoder_compression.statistics.differences import Sample, means


def draw(generator, examples: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are ``sharpness`` times as sure as they should be, and labels."""
    logits = generator.normal(0, 1.5, (examples, 2))
    second = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    return logits * sharpness, (generator.random(examples) < second).astype(int)


def error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the error of two classes by its definition, faster than torchmetrics, to which another test holds it."""
    confidence = 1 / (1 + np.exp(-np.abs(logits[:, 0] - logits[:, 1])))
    right, bins = logits.argmax(axis=1) == labels, np.ceil(15 * confidence)
    return sum(abs((right - confidence)[bins == each].sum()) for each in range(16)) / len(labels)


def test_each_resample_is_what_torchmetrics_says_of_its_examples():
    generator = np.random.default_rng(3)
    logits, labels = generator.normal(0, 2, (80, 3)), generator.integers(0, 3, 80)
    errors, _ = quality.calibration_replicates(logits, labels, resamples=5)
    drawn = np.random.default_rng(0).integers(0, 80, (5, 80))  # as all resamples of a test split are
    assert errors == pytest.approx([quality.calibration_error(logits[rows], labels[rows]) for rows in drawn])


def test_the_definition_is_that_of_torchmetrics():
    logits, labels = draw(np.random.default_rng(7), 300, 2.0)
    assert error(logits, labels) == pytest.approx(quality.calibration_error(logits, labels))


@pytest.mark.parametrize(("sharpness", "truth"), [(1.0, 0.0), (1.6, 0.065), (3.0, 0.129)])
def test_bounds_hold_the_truth_of_calibrated_and_of_too_sure_models(sharpness, truth):
    """The truths are those of two million examples. The error of 400 of a calibrated model is 4 points by chance alone."""
    generator, held = np.random.default_rng(4), []
    for _ in range(150):
        logits, labels = draw(generator, 400, sharpness)
        errors, moved = quality.calibration_replicates(logits, labels, resamples=200)
        (mean,) = means([Sample(np.array([error(logits, labels)]), errors[None], 400)])
        bounded = _calibrated(mean, moved)
        held.append((bounded["low"] <= truth + 1e-3, bounded["high"] >= truth - 1e-3))
    assert (np.mean(held, axis=0) >= 0.93).all()


def test_nothing_moves_where_every_resample_is_alike():
    logits, labels = np.tile([[0.0, 2.0]], (50, 1)), np.ones(50, int)
    errors, moved = quality.calibration_replicates(logits, labels, resamples=10)
    assert errors == pytest.approx(np.full(10, 1 / (1 + np.exp(2))))
    assert moved == pytest.approx(np.zeros(10), abs=1e-12)
