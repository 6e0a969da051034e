"""The quality of rows against others: differences of scores with intervals and tests, and what changed example by example."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from encoder_compression.reporting.rows import Row
from encoder_compression.statistics import intervals, quality
from encoder_compression.statistics.differences import Mean, Sample, means


@dataclass(frozen=True)
class Difference:
    """A score minus another, the mean over seeds, tested among others of its family.

    ``interval`` holds 0 exactly where ``p_holm`` is 0.05 or more: both are of one estimate, at the level of Holm's procedure, which is
    0.05 where nothing else is in the family.
    """

    mean: Mean
    p_holm: float
    interval: tuple[float, float]

    def columns(self) -> dict[str, float]:
        """Return the figures as columns of a table."""
        low, high = self.interval
        tested = {"difference": self.mean.mean, "difference_ci_low": low, "difference_ci_high": high}
        return tested | {"p_value": self.mean.p_value(), "p_holm": self.p_holm}


NO_DIFFERENCE = dict.fromkeys(("difference", "difference_ci_low", "difference_ci_high", "p_value", "p_holm"))


def score_intervals(metric: str, groups: dict[Hashable, list[Row]]) -> dict[Hashable, tuple[float, float]]:
    """Return the 95 % interval of each mean score, of ``groups`` of rows that differ in their seeds alone.

    Of one seed it is the percentile bootstrap's, which stays within the scale of the score.
    """
    samples = {
        key: _sample([row.score(metric) for row in rows], [row.replicates(metric) for row in rows], rows) for key, rows in groups.items()
    }
    estimates = means_of(samples)
    return {
        key: estimates[key].interval() if len(sample.values) > 1 else intervals.percentiles(sample.replicates[0])
        for key, sample in samples.items()
    }


def differences(
    metric: str, pairs: dict[Hashable, tuple[list[Row], list[Row]]], family: Callable[[Hashable], Hashable]
) -> dict[Hashable, Difference]:
    """Return by key the difference of two lists of rows, seed by seed on the same examples.

    Those with one ``family`` of their keys answer one question, so their p-values are corrected for their number. Rows of different
    devices with the same predictions are one hypothesis, and those without any difference are none.
    """
    samples = {key: _difference(metric, *rows) for key, rows in pairs.items()}
    families = defaultdict(dict)
    for key, estimate in means_of(samples).items():
        families[family(key)][key] = estimate
    return {key: tested for members in families.values() for key, tested in _tested(members, samples).items()}


def _difference(metric: str, rows: list[Row], references: list[Row]) -> Sample:
    pairs = list(zip(rows, references, strict=True))
    values = [row.score(metric) - reference.score(metric) for row, reference in pairs]
    return _sample(values, [row.replicates(metric) - reference.replicates(metric) for row, reference in pairs], rows)


def _sample(values: list[float], replicates: list[np.ndarray], rows: list[Row]) -> Sample:
    return Sample(np.array(values), np.array(replicates), rows[0].units)


def means_of(samples: dict[Hashable, Sample]) -> dict[Hashable, Mean]:
    """Return the estimate of each sample; equal ones count once among the rows whose variances are pooled."""
    distinct = {sample.identity: sample for sample in samples.values()}
    estimates = dict(zip(distinct, means(list(distinct.values())), strict=True))
    return {key: estimates[sample.identity] for key, sample in samples.items()}


def _tested(members: dict[Hashable, Mean], samples: dict[Hashable, Sample]) -> dict[Hashable, Difference]:
    """Return the differences of one family, whose equal samples are one hypothesis."""
    hypotheses = {samples[key].identity: estimate for key, estimate in members.items() if not samples[key].is_nothing}
    p_values = np.array([estimate.p_value() for estimate in hypotheses.values()])
    tested = zip(intervals.holm(p_values).tolist(), intervals.holm_levels(p_values).tolist(), strict=True)
    by_identity = dict(zip(hypotheses, tested, strict=True))
    untested = (1.0, intervals.ALPHA)
    results = {key: by_identity.get(samples[key].identity, untested) for key in members}
    return {key: Difference(members[key], p_holm, members[key].interval(level)) for key, (p_holm, level) in results.items()}


def changes(row: Row, baseline: Row) -> dict[str, float]:
    """Return how predictions and logits differ from the baseline's: shares of the examples, and nats; None where none are saved."""
    changed = dict.fromkeys(("agreement", "lost", "gained"))
    if row.right is not None:
        changed = {
            "agreement": float(np.mean(row.predictions == baseline.predictions)),
            "lost": float(np.mean(baseline.right & ~row.right)),
            "gained": float(np.mean(row.right & ~baseline.right)),
        }
    return changed | {"logit_kl": None if row.logits is None else quality.divergence(baseline.logits, row.logits)}
