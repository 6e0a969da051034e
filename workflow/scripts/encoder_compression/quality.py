"""How good predictions are: scores with intervals and paired comparisons, from scikit-learn and scipy."""

import numpy as np
from scipy import stats
from sklearn import metrics

SCORES = {
    "accuracy": metrics.accuracy_score,
    "f1": metrics.f1_score,
    "macro_f1": lambda labels, predictions: metrics.f1_score(labels, predictions, average="macro"),
    "matthews": metrics.matthews_corrcoef,
}


def score(metric: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the score of predicted classes [n] against labels [n], as a share and not in percent."""
    return float(SCORES[metric](labels, predictions))


def score_interval(metric: str, labels: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a score, resampled by example 1000 times with a fixed seed."""
    if metric == "accuracy":
        hits, statistic = (labels == predictions,), np.mean
    else:
        hits, statistic = (labels, predictions), SCORES[metric]
    result = stats.bootstrap(
        hits,
        statistic,
        n_resamples=1000,
        paired=True,
        vectorized=metric == "accuracy",
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def mcnemar(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return the exact two-sided p-value of McNemar's test that two classifiers are right equally often.

    Only examples on which exactly one of them is right count (McNemar 1947).
    """
    only_one = int(np.sum((one == labels) & (other != labels)))
    only_other = int(np.sum((one != labels) & (other == labels)))
    if only_one + only_other == 0:
        return 1.0
    return float(stats.binomtest(only_one, only_one + only_other, 0.5).pvalue)
