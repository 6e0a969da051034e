"""A budget is kept, exceeded or open by one-sided bounds, and what would settle an open one does."""

import numpy as np
import pytest
from scipy import stats

from encoder_compression.statistics.differences import Mean, Parts
from encoder_compression.statistics.loss_budget import decide, settling


def change(mean: float, examples: float, seeds: float = 0.0, freedom: float = np.inf) -> Mean:
    """Return a change whose variances, of points, are these."""
    return Mean(mean / 100, (examples + seeds) / 1e4, freedom, Parts(examples / 1e4, seeds / 1e4))


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(0.5, "kept"), (-0.17, "kept"), (-0.19, "open"), (-1.0, "open"), (-1.8, "open"), (-1.84, "exceeded"), (-30, "exceeded")],
)
def test_one_point_is_kept_or_exceeded_beyond_1_645_standard_errors(mean, verdict):
    assert decide(change(mean, 0.25), 0.01).verdict == verdict


def test_the_bounds_are_one_sided_students():
    decision = decide(change(-0.4, 0.25, freedom=7), 0.01)
    half = stats.t.ppf(0.95, 7) * 0.005
    assert (decision.low, decision.high) == pytest.approx((-0.004 - half, -0.004 + half))


def test_a_bound_at_the_budget_keeps_it():
    certain = Mean(178 / 200 - 180 / 200, 0.0, np.inf)
    assert decide(certain, 0.01).verdict == "kept"


def test_a_drop_of_the_budget_itself_is_called_kept_in_5_of_100_studies():
    generator = np.random.default_rng(1)
    verdicts = [decide(change(mean, 0.36), 0.01).verdict for mean in generator.normal(-1, 0.6, 4000)]
    assert np.mean(np.array(verdicts) == "kept") == pytest.approx(0.05, abs=0.012)
    assert np.mean(np.array(verdicts) == "exceeded") == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("mean", "seeds"), [(-0.5, 0.0), (-0.5, 0.05), (-1.4, 0.02), (0.3, 0.3)])
def test_so_many_times_the_examples_settle_it_and_fewer_do_not(mean, seeds):
    unsure = change(mean, 1.0, seeds)
    assert decide(unsure, 0.01).verdict == "open"
    what, factor = settling(unsure, 0.01)
    assert what == "examples"
    assert decide(change(mean, 1.0 / (factor * 1.01), seeds), 0.01).verdict != "open"
    assert decide(change(mean, 1.0 / (factor * 0.99), seeds), 0.01).verdict == "open"


def test_seeds_settle_what_no_number_of_examples_can():
    unsure = change(-0.5, 0.05, 0.3)
    what, factor = settling(unsure, 0.01)
    assert what == "seeds"
    assert decide(change(-0.5, 0.05, 0.3 / (factor * 1.01)), 0.01).verdict == "kept"


def test_nothing_settles_a_drop_of_the_budget_itself():
    assert settling(change(-1.0, 0.25), 0.01) is None
    assert settling(change(-0.99, 0.25), 0.01) is None
