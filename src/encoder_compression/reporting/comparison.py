"""The quality of a row against another: differences of scores with intervals and tests, and what changed example by example."""

import numpy as np

from encoder_compression.reporting.rows import Row
from encoder_compression.statistics import intervals, quality


def score_interval(metric: str, rows: list[Row]) -> tuple[float, float]:
    """Return the 95 % interval of the mean score of the rows of all seeds."""
    replicates = np.array([row.replicates(metric) for row in rows])
    if len(rows) == 1:
        return intervals.percentiles(replicates[0])
    return intervals.over_seeds(np.array([row.score(metric) for row in rows]), replicates).interval()


def difference(metric: str, rows: list[Row], references: list[Row]) -> dict[str, float]:
    """Return the mean difference of the score, seed by seed on the same examples, with 95 % interval and p-value.

    One seed: percentile bootstrap, and McNemar's exact test for accuracy. Several: both seeds and examples vary.
    """
    pairs = list(zip(rows, references, strict=True))
    differences = np.array([row.score(metric) - reference.score(metric) for row, reference in pairs])
    replicates = np.array([row.replicates(metric) - reference.replicates(metric) for row, reference in pairs])
    if len(pairs) > 1:
        estimate = intervals.over_seeds(differences, replicates)
        (low, high), p = estimate.interval(), estimate.p_value()
    else:
        (low, high), p = intervals.percentiles(replicates[0]), _p_value(metric, *pairs[0], replicates[0])
    return {"difference": float(differences.mean()), "difference_ci_low": low, "difference_ci_high": high, "p_value": p}


def _p_value(metric: str, row: Row, reference: Row, replicates: np.ndarray) -> float:
    if metric == "accuracy":
        return intervals.mcnemar(row.labels, row.predictions, reference.predictions)
    return intervals.bootstrap_p_value(replicates)


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
