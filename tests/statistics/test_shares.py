"""Bounds of shares are Clopper's and Pearson's of one model, wider where seeds differ or examples are alike, and hold the truth."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from encoder_compression.statistics.differences import means
from encoder_compression.statistics.quality import credit_replicates
from encoder_compression.statistics.shares import Share, bounds

RESAMPLES = 200


def share_of(counted: np.ndarray, groups: np.ndarray | None = None, resamples: int = 1000) -> Share:
    """Return the share of the examples that are ``counted`` [seeds, examples]."""
    replicates = np.array([credit_replicates(seed.astype(float), groups=groups, resamples=resamples) for seed in counted])
    return Share(counted.mean(axis=1), replicates, counted.shape[1])


def bounds_of(counted: np.ndarray, groups: np.ndarray | None = None, resamples: int = 1000) -> tuple[float, float]:
    sample = share_of(counted, groups, resamples)
    return bounds(means([sample])[0], sample.examples)


@pytest.mark.parametrize(("count", "examples"), [(0, 40), (1, 40), (39, 40), (40, 40), (170, 200), (196, 200), (500, 1000)])
def test_of_one_model_they_are_the_exact_ones(count, examples):
    exact = proportion_confint(count, examples, alpha=0.1, method="beta")  # both ends of 90 % are the one-sided bounds of 95 %
    expected = [0.0 if count == 0 else exact[0], 1.0 if count == examples else exact[1]]
    assert bounds_of(np.arange(examples)[None] < count) == pytest.approx(expected, abs=0.004)


def test_all_examples_that_agree_leave_the_doubt_of_three_in_so_many():
    low, high = bounds_of(np.ones((1, 200)))
    assert (low, high) == (pytest.approx(0.05 ** (1 / 200)), 1)  # the share at which 200 of 200 have a probability of 5 %


def test_examples_that_are_alike_count_as_fewer():
    """Ten questions each on 30 articles, all of an article right or wrong: as much is known as of 30 questions."""
    groups = np.repeat(np.arange(30), 10)
    expected = proportion_confint(24, 30, alpha=0.1, method="beta")
    assert bounds_of(groups[None] < 24, groups) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("examples", [40, 200])
def test_of_one_seed_they_hold_the_truth_in_95_of_100_studies(truth, examples):
    generator = np.random.default_rng(21)
    ends = np.array([bounds_of(generator.random((1, examples)) < truth, resamples=RESAMPLES) for _ in range(1000)])
    assert np.mean(ends[:, 0] <= truth) >= 0.935 and np.mean(ends[:, 1] >= truth) >= 0.935


@pytest.mark.parametrize(("seeds", "apart"), [(2, 0.0), (3, 0.02), (3, 0.06)])
def test_of_several_seeds_they_hold_the_mean_of_all_trainings(seeds, apart):
    """Ten rows whose trainings are 0 to 6 points apart, on 200 examples that are easy or hard for all of them."""
    generator, held = np.random.default_rng(22), []
    for _ in range(25):
        samples = []
        for _ in range(10):
            trained = generator.normal(0.9, apart, seeds).clip(0, 1)
            samples.append(share_of(generator.random((1, 200)) < trained[:, None], resamples=RESAMPLES))
        held += [bounds(mean, 200) for mean in means(samples)]
    ends, truth = np.array(held), 0.9
    assert np.mean(ends[:, 0] <= truth) >= 0.93 and np.mean(ends[:, 1] >= truth) >= 0.91  # trainings beyond 1 are cut to it


def test_seeds_that_differ_widen_them():
    same = np.tile(np.arange(200) < 180, (3, 1))
    apart = np.arange(200) < np.array([160, 180, 200])[:, None]
    (low, high), (lower, higher) = bounds_of(same), bounds_of(apart)
    assert lower < low - 0.03 and higher > high
