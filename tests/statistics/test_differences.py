"""Means over seeds and examples: what their variances are made of, how often intervals hold the truth, and how often a drop is seen."""

import numpy as np
import pytest
from scipy import stats

from encoder_compression.data.tasks import classification
from encoder_compression.statistics.differences import Sample, means
from encoder_compression.statistics.quality import score_replicates

OF_EXAMPLES, ROWS, RESAMPLES = 0.6, 23, 200  # points, as in a test split of 1,600 sentences of which 9 % change
TAILS = {
    "normal": lambda generator, size: generator.normal(size=size),
    "heavy": lambda generator, size: generator.standard_t(4, size) / 2**0.5,
}


def draw(generator, *, drops=(0.0,) * ROWS, seeds=3, of_seed=0.5, tails="normal", outlier=False, flips=0.0, shared=0.0) -> list[Sample]:
    """Return samples of rows with these true drops, in points; the last one's seeds may differ ten times as much.

    ``flips`` is what examples change by chance from seed to seed, ``shared`` what the baseline's own seeds differ.
    """
    baseline, samples = generator.normal(0, shared, seeds), []
    spreads = np.full(len(drops), of_seed)
    spreads[-1] *= 10 if outlier else 1
    for drop, spread in zip(drops, spreads, strict=True):
        of_examples = generator.normal(0, OF_EXAMPLES, 1 + RESAMPLES)
        by_chance = flips * generator.normal(size=(seeds, 1 + RESAMPLES))
        values = spread * TAILS[tails](generator, seeds) - drop - baseline
        drawn = values[:, None] + of_examples + by_chance
        samples.append(Sample(drawn[:, 0], drawn[:, :1] + of_examples[1:] + by_chance[:, 1:], examples=1500))
    return samples


def simulate(times: int, *, truth: float = 0.0, row: int | None = None, **design) -> np.ndarray:
    """Return whether the interval lies below, holds, or lies above the true change, [times, rows]: -1, 0 or 1."""
    generator, places = np.random.default_rng(11), []
    for _ in range(times):
        ends = np.array([estimate.interval() for estimate in means(draw(generator, **design))])
        places.append(np.where(ends[:, 1] < truth, -1, np.where(ends[:, 0] > truth, 1, 0)))
    return np.array(places) if row is None else np.array(places)[:, row]


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize("of_seed", [0, 0.5, 1, 7])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_hold_the_truth_in_93_to_97_of_100_studies(seeds, of_seed, tails):
    assert 0.93 <= (simulate(30, seeds=seeds, of_seed=of_seed, tails=tails) == 0).mean() <= 0.97


@pytest.mark.parametrize("design", [{"outlier": True}, {"flips": 0.5}, {"shared": 0.5}, {"shared": 1.0, "of_seed": 1.0}], ids=str)
def test_neither_a_collapsed_row_nor_chance_flips_nor_the_baselines_seeds_mislead(design):
    assert 0.93 <= (simulate(60, **design)[:, :-1] == 0).mean() <= 0.975


@pytest.mark.parametrize(("seeds", "of_seed"), [(2, 0.5), (2, 7), (3, 0.5), (3, 7), (5, 1)])
def test_a_study_of_one_row_is_as_careful_as_its_seeds_allow(seeds, of_seed):
    assert (simulate(400, drops=(0.0,), seeds=seeds, of_seed=of_seed) == 0).mean() >= 0.92


def test_a_collapsed_row_keeps_its_own_spread():
    """Its seeds differ ten times as much as others', which three of them show in most studies but not in all."""
    assert (simulate(200, outlier=True, row=-1) == 0).mean() >= 0.85


@pytest.mark.parametrize(("drop", "power"), [(2, 0.82), (3, 0.985)])
def test_a_drop_is_seen_as_often_as_if_the_variances_were_known(drop, power):
    """Where both variances are known, 2 points are seen in 85 % and 3 points in 99.4 % of studies: a standard error of 0.67 points."""
    known = stats.norm.cdf(drop / np.sqrt(OF_EXAMPLES**2 + 0.5**2 / 3) - stats.norm.ppf(0.975))
    seen = (simulate(400, drops=(drop, *(0.0,) * (ROWS - 1)), row=0) == -1).mean()
    assert power <= seen <= known + 0.03


def test_a_row_that_collapsed_is_a_loss_as_often_as_its_own_three_seeds_can_show():
    """One-shot pruning of 90 %: 30.7 points lost, seeds 7 points apart, which no other row can tell better: Student's t of 2 degrees."""
    assert (simulate(200, drops=(*(0.0,) * (ROWS - 1), 30.7), outlier=True, of_seed=0.7, row=-1) == -1).mean() >= 0.92


@pytest.mark.parametrize("examples", [300, 1500])
@pytest.mark.parametrize(("newly_right", "newly_wrong"), [(0.002, 0.004), (0.01, 0.02), (0.05, 0.15)])
def test_intervals_of_one_seed_hold_the_truth_however_few_predictions_change(examples, newly_right, newly_wrong):
    """They are about the one model that was trained, on other examples."""
    generator, held = np.random.default_rng(12), []
    for _ in range(400):
        changes = generator.choice([1, -1, 0], examples, p=[newly_right, newly_wrong, 1 - newly_right - newly_wrong])
        replicates = changes[generator.integers(0, examples, (RESAMPLES, examples))].mean(axis=1)
        (estimate,) = means([Sample(np.array([changes.mean()]), replicates[None], examples)])
        low, high = estimate.interval()
        held.append(low <= newly_right - newly_wrong <= high)
    assert np.mean(held) >= 0.92


def test_what_flips_by_chance_counts_once():
    """Three seeds that differ by single examples alone are as good as three times the examples, if these flips are all there is."""
    generator = np.random.default_rng(13)
    right = (generator.random((3, 4000)) < 0.8).astype(int)
    replicates = np.array([score_replicates(classification, "accuracy", np.ones(4000, int), seed) for seed in right])
    sample = Sample(right.mean(axis=1), replicates, 4000)
    assert sample.of_chance == pytest.approx(0.8 * 0.2 / 4000, rel=0.1)
    assert sample.of_examples == pytest.approx(0.8 * 0.2 / 12000, rel=0.1)


def test_equal_seeds_leave_the_interval_of_the_examples():
    generator = np.random.default_rng(14)
    replicates = np.array([generator.normal(0.9, 0.01, 1000)] * 3)
    (estimate,) = means([Sample(np.full(3, 0.9), replicates, 1000)])
    assert estimate.interval() == pytest.approx(stats.norm.interval(0.95, 0.9, replicates[0].std(ddof=1)))


def test_examples_only_add_to_the_doubt_that_seeds_leave():
    values = 0.9 + np.array([-0.03, 0.0, 0.03])
    replicates = np.array([np.random.default_rng(15).normal(0.9, 0.02, 1000)] * 3)
    low, high = means([Sample(values, replicates, 1000)])[0].interval()
    alone = stats.ttest_1samp(values, 0).confidence_interval()
    assert high - low >= alone.high - alone.low


def test_predictions_that_are_all_the_same_leave_a_doubt_of_two_flips():
    (estimate,) = means([Sample(np.zeros(1), np.zeros((1, 1000)), 500)])
    assert estimate.p_value() == 1
    assert estimate.interval()[1] == pytest.approx(1.96 * np.sqrt(2) / 500, rel=1e-3)


def test_no_rows_have_no_estimates():
    assert means([]) == []
