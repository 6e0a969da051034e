"""The clauses of a contract on other data and another machine, by the bounds of the release gate."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from encoder_compression.data import tasks
from encoder_compression.reporting.gate_content import Clause
from encoder_compression.reporting.gate_costs import bounds_of_starts
from encoder_compression.statistics import ALPHA, intervals, quality, shares
from encoder_compression.statistics.differences import Mean, Sample, means
from encoder_compression.statistics.loss_budget import EXCEEDED, KEPT, against

LIMITS = ("at_least", "at_most")
NOT_MEASURED = {  # clause -> why
    "agreement": "the baseline is not delivered",
    "worst_slice": "the slices are those of the study's test split",
    "calibration_error": "it is one of all classes' probabilities",
}


@dataclass(frozen=True)
class Fresh:
    """What a delivery gave on new data: labels and predictions of predict.py, starts with their times and memory, MB of its files."""

    certificate: dict
    labels: np.ndarray | list
    answers: list[dict]
    launches: list[dict]
    size_mb: float

    @property
    def task(self):
        """The module of the task."""
        return tasks.load(self.certificate["task"])

    @cached_property
    def predictions(self) -> np.ndarray | list:
        """What the task's scores compare with labels: class numbers, numbers or texts."""
        if self.certificate["task"] == "classification":
            return np.array([self.certificate["classes"].index(answer["label"]) for answer in self.answers])
        if self.certificate["task"] == "regression":
            return np.array([answer["number"] for answer in self.answers])
        return [answer["answer"] for answer in self.answers]

    @cached_property
    def score(self) -> float:
        """The score in the study's metric."""
        return quality.score(self.task, self.certificate["metric"], self.labels, self.predictions)

    @cached_property
    def replicates(self) -> np.ndarray:
        """The score on bootstrap resamples of the examples [resamples]."""
        return quality.score_replicates(self.task, self.certificate["metric"], self.labels, self.predictions)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the score."""
        return intervals.percentiles(self.replicates)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """One-sided 95 % bounds of the score: exact ones where it is a share of examples."""
        if self.certificate["metric"] == self.task.RIGHT.replace(" ", "_"):
            return _of_share(self.task.right(self.labels, self.predictions))
        return _mean(Sample(np.array([self.score]), self.replicates[None], len(self.labels))).interval(2 * ALPHA)


def clauses(fresh: Fresh) -> list[Clause]:
    """Return the clauses of the certificate with the figures of new data, less those of `NOT_MEASURED`."""
    return [_clause(clause, fresh) for clause in fresh.certificate["clauses"] if clause["clause"] not in NOT_MEASURED]


def _clause(clause: Clause, fresh: Fresh) -> Clause:
    if clause["clause"] == "constant":
        constant, _ = fresh.task.best_constant(fresh.labels, fresh.certificate["metric"], {"labels": fresh.certificate["classes"]})
        verdict = KEPT if fresh.score > constant else EXCEEDED
        return clause | {"value": fresh.score, "lower_bound": None, "upper_bound": None, "above": constant, "verdict": verdict}
    value, low, high = FIGURES[clause["clause"]](fresh, clause)
    limit = {kind: clause[kind] for kind in LIMITS if kind in clause}
    figures = {"value": value, "lower_bound": low, "upper_bound": high, "verdict": against(limit, low, high)}
    return {name: held for name, held in clause.items() if name not in ("log_odds", "test_false_positive_rate")} | figures


def _budget(fresh: Fresh, clause: Clause) -> tuple[float, float, float]:
    """Return the score less that of the baseline in the certificate, which is taken as it is: the baseline is not delivered."""
    baseline = fresh.certificate["baseline"]["score"]
    return fresh.score - baseline, fresh.bounds[0] - baseline, fresh.bounds[1] - baseline


def _metric(fresh: Fresh, clause: Clause) -> tuple[float, float, float]:
    return fresh.score, *fresh.bounds


def _recall(fresh: Fresh, clause: Clause) -> tuple[float | None, float | None, float | None]:
    """Return the share of a class that is flagged at the delivered threshold."""
    positive = fresh.labels == fresh.certificate["classes"].index(clause["label"])
    flagged = np.array([answer.get("flagged", False) for answer in fresh.answers])[positive]
    return (float(flagged.mean()), *_of_share(flagged)) if positive.any() else (None, None, None)


def _latency_ms(fresh: Fresh, clause: Clause) -> tuple[float, float, float]:
    """Return the median call, with the bounds that the spread between starts gives."""
    log_medians = np.log([np.median(launch["latencies_ms"]) for launch in fresh.launches])
    value = float(np.median(np.concatenate([launch["latencies_ms"] for launch in fresh.launches])))
    return value, *bounds_of_starts(value, log_medians, intervals.pooled_variance([log_medians]))


def _size_mb(fresh: Fresh, clause: Clause) -> tuple[float, float, float]:
    return fresh.size_mb, fresh.size_mb, fresh.size_mb


def _memory_mb(fresh: Fresh, clause: Clause) -> tuple[float, float, float]:
    held = [launch["memory_mb"] for launch in fresh.launches]
    return float(np.mean(held)), min(held), max(held)


FIGURES = {
    "budget": _budget, "metric": _metric, "recall": _recall, "latency_ms": _latency_ms, "size_mb": _size_mb, "memory_mb": _memory_mb,
}  # fmt: skip


def _of_share(counted: np.ndarray) -> tuple[float, float]:
    """Return one-sided 95 % bounds of the share of examples that are ``counted`` [examples]."""
    credits = counted.astype(float)
    share = shares.Share(np.array([credits.mean()]), quality.credit_replicates(credits)[None], len(credits))
    return shares.bounds(_mean(share), len(credits))


def _mean(sample: Sample) -> Mean:
    return means([sample])[0]
