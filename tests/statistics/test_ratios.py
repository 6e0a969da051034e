"""The ratio of two programs that take turns, and how well the rounds of one start tell it."""

import numpy as np
import pytest
from scipy import stats

from encoder_compression.statistics import ratios

ONE_THREAD = {"hardware": "cpu", "threads": 1}


def round_with(ratio: float, *, noise=(1.0, 1.0, 1.0)) -> dict:
    """Return a round in which the partner took ``ratio`` times as long, and its calls that much more of the processor's time."""
    return {
        "latencies_ms": [2.0] * len(noise),
        "processor_ms": [1.0] * len(noise),
        "partner_latencies_ms": [8.0 * ratio] * len(noise),
        "partner_processor_ms": [ratio * each for each in noise],
    }


def test_one_thread_of_a_cpu_is_timed_by_the_processors_clock():
    assert ratios.clock_of(ONE_THREAD) == "processor_ms"
    assert ratios.clock_of(ONE_THREAD | {"threads": 2}) == ratios.clock_of(ONE_THREAD | {"hardware": "cuda"}) == "latencies_ms"


def test_a_ratio_is_the_partners_time_over_the_rows():
    np.testing.assert_allclose(ratios.log_ratios(round_with(3.0), "processor_ms"), np.log([3.0] * 3))
    np.testing.assert_allclose(ratios.log_ratios(round_with(3.0), "latencies_ms"), np.log([12.0] * 3))


def test_the_half_width_is_that_of_students_t_over_the_medians_of_the_rounds():
    medians = [2.0, 2.1, 1.9, 2.05]
    rounds = [round_with(median, noise=(0.5, 1.0, 9.0)) for median in medians]
    low, high = stats.t.interval(0.95, 3, np.mean(np.log(medians)), stats.sem(np.log(medians)))
    assert ratios.half_width(rounds, "processor_ms") == pytest.approx(np.exp((high - low) / 2) - 1)


def test_an_interval_of_that_width_holds_the_true_ratio_in_95_of_100_starts():
    generator = np.random.default_rng(1)
    starts = [[round_with(ratio) for ratio in np.exp(generator.normal(np.log(3), 0.02, 4))] for _ in range(2000)]
    means = np.array([np.mean([ratios.log_ratios(timed, "processor_ms")[0] for timed in rounds]) for rounds in starts])
    widths = np.array([np.log1p(ratios.half_width(rounds, "processor_ms")) for rounds in starts])
    assert np.mean(np.abs(means - np.log(3)) <= widths) == pytest.approx(0.95, abs=0.015)
