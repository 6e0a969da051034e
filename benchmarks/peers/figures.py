"""What the table shows, from what a comparison saved."""

import math

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from encoder_compression.statistics import intervals

NORMAL = 1.959964  # the two-sided 95 % quantile


def quality(predicted: list[int], truth: list[int], reference: list[int]) -> dict[str, float]:
    """Return accuracy with Wilson's 95 % interval, its change against the reference on the same texts, and their agreement; shares of 1."""
    predictions, right = np.array(predicted), np.array(predicted) == np.array(truth)
    low, high = proportion_confint(int(right.sum()), len(right), method="wilson")
    change = paired_change(right, np.array(reference) == np.array(truth))
    agreement = float(np.mean(predictions == np.array(reference)))
    return {"accuracy": float(right.mean()), "accuracy_low": low, "accuracy_high": high, "agreement": agreement} | change


def paired_change(right: np.ndarray, before: np.ndarray) -> dict[str, float]:
    """Return the difference of two accuracies on the same texts with the 95 % interval of Agresti and Min (2005).

    It is Wald's interval with half a text more in each of the four cells, so that two equal rows have an interval, too.
    """
    gained, lost, number = int((right & ~before).sum()), int((before & ~right).sum()), len(right)
    more, gained_more, lost_more = number + 2, gained + 0.5, lost + 0.5
    middle = (gained_more - lost_more) / more
    error = math.sqrt(gained_more + lost_more - (gained_more - lost_more) ** 2 / more) / more
    return {"change": (gained - lost) / number, "change_low": middle - NORMAL * error, "change_high": middle + NORMAL * error}


def speedups(starts: dict[str, list[list[float]]]) -> dict[str, tuple[float, float, float]]:
    """Return per candidate the ratio to the reference and its 95 % interval, from the log ratios of the rounds of each start.

    A start is one figure, the mean over its rounds. The interval is Student's t over starts, whose variance is at least the one that
    is pooled over all candidates: two or three starts say little about their own spread.
    """
    means = {name: np.array([np.mean(rounds) for rounds in each]) for name, each in starts.items()}
    if not means:
        return {}
    pooled = intervals.pooled_variance(list(means.values()))
    estimates = {name: intervals.of_repeats(values, pooled) for name, values in means.items()}
    return {name: (math.exp(each.mean), *map(math.exp, each.interval())) for name, each in estimates.items()}
