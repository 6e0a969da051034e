"""Variances that many rows share: empirical Bayes, so that two or three repeats of each row are enough.

The variance of a row is taken to be that of all rows times a factor drawn from a scaled inverse chi-square (Smyth 2004, *Linear models
and empirical Bayes methods*). What is drawn is found from winsorized log variances, and a row that the others make improbable keeps
its own variance (Phipson et al. 2016, *Robust hyperparameter estimation protects against hypervariable genes*).
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

TAILS = 0.05, 0.10  # shares of the smallest and of the largest variances that are pulled in
NODES = (np.arange(512) + 0.5) / 512
FREEDOMS = 0.01, 1e4  # below the first the rows tell nothing of each other, beyond the second they have one variance


@dataclass(frozen=True)
class Prior:
    """The ``variance`` that rows share, and its ``freedom``: as many repeats as it is worth beside a row's own."""

    variance: float
    freedom: float


def moderate(variances: np.ndarray, freedom: int, correlation: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of each row [rows], drawn towards that of all rows, and its degrees of freedom [rows].

    Each of ``variances`` [rows] has ``freedom`` degrees of freedom. No row gets more than all have together, which are fewer the more
    the repeats of two rows correlate: those of equal correlation r know as much as rows / (1 + (rows - 1) r²) independent ones.
    """
    rows = len(variances)
    spread = variances[variances > 0]  # repeats may agree by luck, and 0 has no logarithm
    if len(spread) < 2:
        return np.array(variances, dtype=float), np.full(rows, float(freedom))
    prior = fit_prior(spread, freedom)
    all_together = max(freedom, freedom * rows / (1 + (rows - 1) * correlation**2))
    weights = min(prior.freedom, all_together) * _probability_of_belonging(variances, freedom, prior)
    moderated = (weights * prior.variance + freedom * variances) / (weights + freedom)
    return moderated, np.minimum(weights + freedom, all_together)


def fit_prior(variances: np.ndarray, freedom: int) -> Prior:
    """Return the prior that explains how far the ``variances`` [rows], all above 0, lie apart, each of ``freedom`` degrees of freedom."""
    logs = np.log(variances)
    winsorized = np.clip(logs, *np.quantile(logs, [TAILS[0], 1 - TAILS[1]]))
    prior_freedom = _matching_freedom(float(winsorized.var(ddof=1)), freedom)
    return Prior(float(np.exp(winsorized.mean() - _winsorized_log_f(freedom, prior_freedom).mean())), prior_freedom)


def _matching_freedom(spread: float, freedom: int) -> float:
    """Return the prior's freedom with which winsorized log variances have this variance; infinite where chance alone gives more."""

    def excess(log_freedom: float) -> float:
        return float(_winsorized_log_f(freedom, np.exp(log_freedom)).var()) - spread

    least, most = np.log(FREEDOMS)
    if excess(most) >= 0:
        return np.inf
    return float(np.exp(optimize.brentq(excess, least, most))) if excess(least) > 0 else FREEDOMS[0]


def _winsorized_log_f(freedom: int, prior_freedom: float) -> np.ndarray:
    """Return quantiles [nodes] of the logarithm of Fisher's F, its tails pulled in."""
    return np.log(stats.f.ppf(np.clip(NODES, TAILS[0], 1 - TAILS[1]), freedom, min(prior_freedom, FREEDOMS[1])))


def _probability_of_belonging(variances: np.ndarray, freedom: int, prior: Prior) -> np.ndarray:
    """Return per row [rows] how likely a variance as large as its own is, against how many rows are as large, at most 1."""
    tails = stats.f.sf(variances / prior.variance, freedom, min(prior.freedom, FREEDOMS[1]))
    shares = (stats.rankdata(-variances) - 0.5) / len(variances)
    return np.minimum(1.0, tails / shares)
