"""Intervals and tests agree with scipy's and statsmodels', and the intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy import stats

from encoder_compression.data.tasks import classification
from encoder_compression.statistics import intervals
from encoder_compression.statistics.intervals import Estimate
from encoder_compression.statistics.quality import score_replicates

DRAWS = 400


def predictions_of(seed: int, right: float, examples: int = 400):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, examples)
    return labels, np.where(generator.random(examples) < right, labels, 1 - labels)


def test_the_interval_of_one_score_is_scipys_percentile_bootstrap():
    labels, one = predictions_of(3, right=0.85)
    found = intervals.percentiles(score_replicates(classification, "accuracy", labels, one, resamples=5000))
    expected = stats.bootstrap((one == labels,), np.mean, method="percentile", n_resamples=5000, rng=0).confidence_interval
    assert found == pytest.approx(tuple(expected), abs=0.004)


def test_the_interval_of_a_difference_is_scipys_paired_bootstrap():
    labels, one = predictions_of(3, right=0.85)
    other = np.where(np.random.default_rng(4).random(400) < 0.95, one, labels)
    found = intervals.percentiles(
        score_replicates(classification, "accuracy", labels, other) - score_replicates(classification, "accuracy", labels, one)
    )
    gains = (other == labels).astype(float) - (one == labels)
    expected = stats.bootstrap((gains,), np.mean, method="percentile", rng=0).confidence_interval
    assert found == pytest.approx(tuple(expected), abs=0.003)


def test_holm_multiplies_the_smallest_by_all_and_never_lets_the_order_change():
    # 0.005 × 4, 0.01 × 3, 0.03 × 2, and 0.04 × 1 raised to the one before it
    assert intervals.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_rows_without_a_test_do_not_count_for_holm():
    corrected = intervals.holm(np.array([np.nan, 0.01, np.nan, 0.04]))
    assert corrected == pytest.approx([np.nan, 0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(intervals.holm(np.array([np.nan]))).all()


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03, 0.005], [0.2, 0.02, 0.9], [0.04], [0.026, 0.026], [0.001, 0.03, 0.049, 0.0001]])
def test_holms_levels_decide_as_the_corrected_p_values_do(p_values):
    below = np.array(p_values) < intervals.holm_levels(np.array(p_values))
    assert below.tolist() == (intervals.holm(np.array(p_values)) < 0.05).tolist()


def test_holm_tests_the_smallest_at_a_share_of_the_level_and_stops_where_one_fails():
    assert intervals.holm_levels(np.array([0.04, 0.001, 0.5])) == pytest.approx([0.05 / 2, 0.05 / 3, 0.05 / 2])
    assert intervals.holm_levels(np.array([0.01, 0.001])) == pytest.approx([0.05, 0.025])


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.1])
def test_an_interval_holds_0_exactly_where_the_p_value_is_no_less_than_its_level(alpha):
    for mean in np.linspace(0, 4, 41):
        estimate = Estimate(mean, 1.0, 7)
        assert (estimate.interval(alpha)[0] <= 0) == (estimate.p_value() >= alpha)


def test_an_estimate_from_a_sample_is_scipys_t_test():
    sample = np.random.default_rng(6).normal(0.3, 1, 12)
    expected = stats.ttest_1samp(sample, 0)
    found = Estimate(sample.mean(), sample.var(ddof=1) / 12, 11)
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_a_sum_of_estimates_is_welchs_t_test():
    generator = np.random.default_rng(7)
    one, other = generator.normal(0.5, 1, 6), generator.normal(0, 3, 15)
    expected = stats.ttest_ind(one, other, equal_var=False)
    found = Estimate(one.mean(), one.var(ddof=1) / 6, 5) + Estimate(-other.mean(), other.var(ddof=1) / 15, 14)
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_what_is_certain_has_no_width():
    certain = Estimate(0.0, 0.0, np.inf)
    assert (certain + certain).interval() == (0, 0)
    assert certain.p_value() == 1
    assert Estimate(0.1, 0.0, np.inf).p_value() == 0


def test_starts_share_the_variance_of_the_pooled_t_test():
    one, other = np.array([0.1, 0.3, 0.2]), np.array([0.9, 0.5])
    expected = stats.ttest_ind(one, other, equal_var=True)
    variance, freedom = intervals.pooled_variance([one, other])
    assert freedom == expected.df
    assert (one.mean() - other.mean()) / np.sqrt(variance * (1 / 3 + 1 / 2)) == pytest.approx(expected.statistic)


def test_two_starts_that_agree_by_luck_take_the_spread_of_all_rows():
    assert intervals.of_repeats(np.array([0.5, 0.5]), (0.04, 20)) == Estimate(0.5, 0.02, 20)
    assert intervals.of_repeats(np.array([0.0, 1.0]), (0.04, 20)).variance == pytest.approx(0.25)


def share_that_holds(truth: float, estimates) -> float:
    bounds = [estimate.interval() for estimate in estimates]
    return np.mean([low <= truth <= high for low, high in bounds])


@pytest.mark.parametrize("starts", [2, 3])
def test_intervals_of_ratios_hold_the_true_ratio_as_often_as_they_say(starts):
    """Eight rows whose starts spread alike; the interval of the first is asked."""
    generator = np.random.default_rng(10)

    def draw() -> Estimate:
        rows = list(generator.normal(0.7, 0.05, (8, starts)))
        return intervals.of_repeats(rows[0], intervals.pooled_variance(rows))

    assert 0.92 <= share_that_holds(0.7, [draw() for _ in range(DRAWS)]) <= 0.99
