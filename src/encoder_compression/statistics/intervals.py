"""95 % intervals and tests: over examples, over training seeds, over starts of a program."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from encoder_compression.statistics import ALPHA


@dataclass(frozen=True)
class Estimate:
    """A mean with the variance of that mean and the degrees of freedom behind the variance."""

    mean: float
    variance: float
    freedom: float

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the interval by Student's t that misses the true mean with probability ``alpha``; it holds 0 where the p-value is more."""
        half = stats.t.ppf(1 - alpha / 2, self.freedom) * np.sqrt(self.variance)
        return float(self.mean - half), float(self.mean + half)

    def p_value(self) -> float:
        """Return the two-sided p-value that the true mean is 0; 1 where mean and variance are 0."""
        if not self.variance:
            return float(self.mean == 0)
        return float(2 * stats.t.sf(abs(self.mean) / np.sqrt(self.variance), self.freedom))

    def __add__(self, other: "Estimate") -> "Estimate":
        """Return the estimate of the sum of two independent means (Satterthwaite 1946 for its degrees of freedom)."""
        parts = [(self.variance, self.freedom), (other.variance, other.freedom)]
        variance = sum(part for part, _ in parts)
        doubt = sum(part**2 / freedom for part, freedom in parts)
        return Estimate(self.mean + other.mean, variance, variance**2 / doubt if doubt else np.inf)


def percentiles(replicates: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates [resamples]."""
    low, high = np.quantile(replicates, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return the p-values corrected for being several (Holm 1979); missing ones stay missing."""
    corrected = np.full(len(p_values), np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        corrected[known] = multipletests(p_values[known], method="holm")[1]
    return corrected


def holm_levels(p_values: np.ndarray) -> np.ndarray:
    """Return the level at which Holm's procedure tests each p-value: one is below its own where the corrected one is below 0.05.

    The smallest of n is tested at 0.05 / n, the next at 0.05 / (n - 1), up to the first that fails; all others fail at that one's level.
    """
    order = np.argsort(p_values, kind="stable")
    levels = ALPHA / np.arange(len(p_values), 0, -1)
    failed = np.nonzero(p_values[order] >= levels)[0]
    if failed.size:
        levels[failed[0] :] = levels[failed[0]]
    return levels[np.argsort(order, kind="stable")]


def pooled_variance(groups: list[np.ndarray]) -> tuple[float, int]:
    """Return the variance within groups that share it, and its degrees of freedom: sum of squares over sum of (size - 1)."""
    freedom = sum(len(group) - 1 for group in groups)
    return sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in groups) / freedom, freedom


def of_repeats(values: np.ndarray, pooled: tuple[float, int]) -> Estimate:
    """Return the estimate of the mean of a few repeats [n] whose variance is at least the ``pooled`` one.

    Two or three repeats say little about their spread; all rows of a device together say it well.
    """
    variance, freedom = pooled
    return Estimate(float(np.mean(values)), max(float(np.var(values, ddof=1)), variance) / len(values), freedom)
