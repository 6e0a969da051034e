"""Variances that rows share are those of the papers, and a row that stands apart neither widens the others nor is hidden."""

import numpy as np
import pytest
from scipy import special, stats

from encoder_compression.statistics.moderation import fit_prior, moderate


def variances(rows: int, freedom: int, *, prior_freedom: float, variance: float = 2.0, seed: int = 1) -> np.ndarray:
    """Return sample variances of rows whose true ones are drawn from a scaled inverse chi-square."""
    generator = np.random.default_rng(seed)
    true = variance if np.isinf(prior_freedom) else variance * prior_freedom / generator.chisquare(prior_freedom, rows)
    return true * generator.chisquare(freedom, rows) / freedom


@pytest.mark.parametrize("prior_freedom", [2, 5, 20])
@pytest.mark.parametrize("freedom", [1, 2, 4])
def test_the_prior_of_many_rows_is_that_from_which_they_were_drawn(freedom, prior_freedom):
    prior = fit_prior(variances(200_000, freedom, prior_freedom=prior_freedom), freedom)
    assert prior.freedom == pytest.approx(prior_freedom, rel=0.2)
    assert prior.variance == pytest.approx(2.0, rel=0.02)


def test_the_prior_of_many_rows_is_that_of_smyths_moments():
    """Smyth (2004), section 6.2: mean and variance of log variances, less those that chance alone gives."""
    drawn = variances(100_000, 4, prior_freedom=6)
    centred = np.log(drawn) - special.digamma(2) + np.log(2)
    excess = np.var(centred, ddof=1) - special.polygamma(1, 2)
    prior = fit_prior(drawn, 4)
    assert special.polygamma(1, prior.freedom / 2) == pytest.approx(excess, rel=0.05)
    expected = np.exp(centred.mean() + special.digamma(prior.freedom / 2) - np.log(prior.freedom / 2))
    assert prior.variance == pytest.approx(expected, rel=0.02)


def test_rows_that_differ_by_chance_alone_share_one_variance():
    drawn = variances(22, 2, prior_freedom=np.inf)
    moderated, freedoms = moderate(drawn, 2)
    assert np.ptp(moderated) < 0.4 * np.ptp(drawn)
    assert np.median(freedoms) == 44  # no more than all rows together have


def test_rows_that_share_nothing_keep_what_they_have():
    drawn = 10.0 ** np.arange(-10, 12)
    moderated, freedoms = moderate(drawn, 2)
    assert np.log(moderated[5:]) == pytest.approx(np.log(drawn[5:]), abs=0.2)
    assert freedoms.max() < 2.5


def test_a_row_that_stands_apart_keeps_its_variance_and_leaves_the_others_alone():
    drawn = variances(22, 2, prior_freedom=np.inf)
    drawn[-1] = 1000 * np.median(drawn)
    moderated, freedoms = moderate(drawn, 2)
    assert moderated[-1] == pytest.approx(drawn[-1], rel=0.01)
    assert freedoms[-1] == pytest.approx(2, abs=0.01)
    alone, _ = moderate(drawn[:-1], 2)
    assert np.median(moderated[:-1] / alone) == pytest.approx(1, abs=0.15)


def test_rows_that_vary_together_know_less():
    drawn = variances(22, 2, prior_freedom=np.inf)
    together = moderate(drawn, 2, correlation=1.0)[1]
    assert together == pytest.approx(np.full(22, 2.0))
    assert np.median(moderate(drawn, 2, correlation=0.5)[1]) == pytest.approx(44 / (1 + 21 / 4))


@pytest.mark.parametrize("single", [[0.3], [0.0, 0.0], [0.0, 0.3], []])
def test_a_row_without_company_keeps_what_it_has(single):
    moderated, freedoms = moderate(np.array(single), 2)
    assert moderated.tolist() == single
    assert freedoms.tolist() == [2.0] * len(single)


def test_a_t_statistic_with_a_moderated_variance_has_the_freedom_of_row_and_prior():
    """Smyth (2004), theorem 1: it is distributed as Student's t with the sum of both degrees of freedom."""
    generator = np.random.default_rng(3)
    true = 2.0 * 5 / generator.chisquare(5, 50_000)
    drawn = true * generator.chisquare(2, 50_000) / 2
    moderated, freedoms = moderate(drawn, 2)
    t = generator.normal(0, np.sqrt(true / 3)) / np.sqrt(moderated / 3)
    assert np.median(freedoms) == pytest.approx(7, rel=0.1)
    assert stats.kstest(t, "t", (np.median(freedoms),)).statistic < 0.02
