"""95 % intervals and tests: over examples, over training seeds, over starts of a program."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.95
ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class Estimate:
    """A mean with the variance of that mean and the degrees of freedom behind the variance."""

    mean: float
    variance: float
    freedom: float

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval by Student's t."""
        half = stats.t.ppf(1 - ALPHA / 2, self.freedom) * np.sqrt(self.variance)
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


def over_seeds(values: np.ndarray, replicates: np.ndarray) -> Estimate:
    """Return the estimate of the mean of ``values`` [seeds] whose bootstrap over examples is ``replicates`` [seeds, resamples].

    Another training and another test split would both move the mean, so the two variances add up. Two or three seeds say
    little about their own variance; the sum's degrees of freedom forget that where seeds differ most, so the wider of the
    sum and the seeds alone is taken.
    """
    mean = float(np.mean(values))
    of_seeds = Estimate(mean, float(np.var(values, ddof=1)) / len(values), len(values) - 1)
    of_examples = Estimate(0.0, float(replicates.mean(axis=0).var(ddof=1)), np.inf)
    return max(of_seeds + of_examples, of_seeds, key=lambda estimate: estimate.interval()[1])


def percentiles(replicates: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates [resamples]."""
    low, high = np.quantile(replicates, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def mcnemar(labels: np.ndarray, predictions: np.ndarray, reference: np.ndarray) -> float:
    """Return the exact two-sided p-value of McNemar's test that two classifiers are right equally often.

    Only examples on which exactly one of them is right count (McNemar 1947).
    """
    only_one = int(np.sum((predictions == labels) & (reference != labels)))
    only_other = int(np.sum((predictions != labels) & (reference == labels)))
    if only_one + only_other == 0:
        return 1.0
    return float(stats.binomtest(only_one, only_one + only_other, 0.5).pvalue)


def bootstrap_p_value(differences: np.ndarray) -> float:
    """Return the two-sided p-value that a paired difference with these bootstrap replicates [resamples] is 0."""
    tail = min(np.mean(differences <= 0), np.mean(differences >= 0))
    return float(min(1.0, 2 * (tail * len(differences) + 1) / (len(differences) + 1)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return the p-values corrected for being several (Holm 1979); missing ones stay missing."""
    corrected = np.full(len(p_values), np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        corrected[known] = multipletests(p_values[known], method="holm")[1]
    return corrected


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
