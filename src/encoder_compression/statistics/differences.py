"""Means over training seeds and test examples, with what their variances are made of."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from encoder_compression.statistics.intervals import Estimate
from encoder_compression.statistics.moderation import moderate

ONE_FLIP_EACH_WAY = 2  # predictions that change are at least taken to be so many
ROUNDING = 1e-9  # scores are shares


@dataclass(frozen=True)
class Sample:
    """Scores or differences of scores of one row.

    ``values`` [seeds] are those on the test split, ``replicates`` [seeds, resamples] those on the same bootstrap resamples of its
    ``examples``, or of groups of them.
    """

    values: np.ndarray
    replicates: np.ndarray
    examples: int

    @property
    def identity(self) -> tuple[bytes, bytes]:
        """What is equal for samples of the same predictions."""
        return self.values.tobytes(), self.replicates.tobytes()

    @property
    def is_nothing(self) -> bool:
        """Whether every value is 0 on every resample: two rows with the same predictions."""
        return not (self.values.any() or self.replicates.any())

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.values))

    @cached_property
    def of_examples(self) -> float:
        """The variance of the mean over other test splits of this size, with these seeds; never 0, since some example may change."""
        return max(float(self.replicates.mean(axis=0).var(ddof=1)), ONE_FLIP_EACH_WAY / self.examples**2)

    @cached_property
    def of_seeds(self) -> float:
        """The variance between seeds on this test split; exactly 0 where all have one score."""
        return 0.0 if np.ptp(self.values) < ROUNDING else float(np.var(self.values, ddof=1))

    @cached_property
    def of_chance(self) -> float:
        """The variance between seeds that other test splits would give even if all seeds were equally good."""
        apart = self.replicates - self.replicates.mean(axis=0)
        seeds = len(self.values)
        return float(apart.var(axis=1, ddof=1).mean()) * seeds / (seeds - 1)


@dataclass(frozen=True)
class Parts:
    """What the variance of a mean is made of: other test examples, and other seeds, each of the mean over those that there are."""

    examples: float
    seeds: float


@dataclass(frozen=True)
class Mean(Estimate):
    """An estimate of a mean over seeds and examples, and the ``parts`` of its variance."""

    parts: Parts = Parts(0.0, 0.0)


def means(samples: list[Sample]) -> list[Mean]:
    """Return the estimate of each row's mean. All have the same seeds; those of one tell nothing of other trainings.

    Another training and another test split would both move a mean, so the variances of both add up; what flips by chance on this split
    is in both and counts once (the two-way layout of Searle et al. 1992, *Variance components*, chapter 4). A row's variance between
    seeds is moderated by those of all rows, as a multiple of its variance over examples: both grow with the number of predictions
    that change. Degrees of freedom are Satterthwaite's (1946).
    """
    if not samples:
        return []
    if len(samples[0].values) == 1:
        return [Mean(sample.mean, sample.of_examples, np.inf, Parts(sample.of_examples, 0.0)) for sample in samples]
    scales = np.array([sample.of_examples for sample in samples])
    ratios = np.array([sample.of_seeds for sample in samples]) / scales
    variances, freedoms = moderate(ratios, len(samples[0].values) - 1, _correlation(samples))
    return [_mean(*row) for row in zip(samples, variances * scales, freedoms, strict=True)]


def _mean(sample: Sample, between_seeds: float, freedom: float) -> Mean:
    """Return the estimate of both parts together, or of the seeds alone where that is wider: a sum's freedom can be overestimated."""
    seeds = len(sample.values)
    parts = Parts(sample.of_examples, max(0.0, between_seeds - sample.of_chance) / seeds)
    of_seeds = Estimate(sample.mean, between_seeds / seeds, freedom)
    variance = parts.examples + parts.seeds
    both = Estimate(sample.mean, variance, freedom * (variance / of_seeds.variance) ** 2 if between_seeds else np.inf)
    wider = max(both, of_seeds, key=lambda estimate: estimate.interval()[1])
    return Mean(wider.mean, wider.variance, wider.freedom, parts)


def _correlation(samples: list[Sample]) -> float:
    """Return the mean correlation over seeds between two rows, at least 0: differences from one baseline share its seeds."""
    apart = np.array([sample.values - sample.mean for sample in samples if sample.of_seeds])
    if len(apart) < 2:
        return 0.0
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    rows = len(apart)
    return max(0.0, float((np.sum(apart.sum(axis=0) ** 2) - rows) / (rows * (rows - 1))))
