"""What gate.json holds: plain values, as JSON knows them, and verdicts."""

from typing import Literal, NotRequired, TypedDict

PASS, OPEN, FAIL = "pass", "open", "fail"
Verdict = Literal["pass", "open", "fail"]


class Clause(TypedDict):
    """A figure of a row, its one-sided 95 % bounds, the limit, and what the bounds decide. Shares of 1; None where nothing is known."""

    clause: str
    value: float | None
    lower_bound: float | None
    upper_bound: float | None
    above: NotRequired[float]
    at_least: NotRequired[float]
    at_most: NotRequired[float]
    verdict: Literal["kept", "open", "exceeded"]
    label: NotRequired[str]
    false_positive_rate: NotRequired[float]
    log_odds: NotRequired[list[float]]
    test_false_positive_rate: NotRequired[float | None]
    slice: NotRequired[str]
    examples: NotRequired[int]


class GateRow(TypedDict):
    """A variant on a device with its clauses: it passes where all are kept, fails where one is exceeded, and is open otherwise."""

    variant: str
    device: str
    seeds: list[int]
    is_baseline: bool
    verdict: Verdict
    clauses: list[Clause]


class ReleaseGate(TypedDict):
    """What gate.json holds; the verdict is that of all rows together."""

    experiment: str
    metric: str
    verdict: Verdict
    rows: list[GateRow]


def verdict_of(parts: list[str]) -> Verdict:
    """Return the verdict of what has these parts, clauses of a row or rows: one that fails decides, then an open one."""
    if {FAIL, "exceeded"} & set(parts):
        return FAIL
    return PASS if set(parts) <= {PASS, "kept"} else OPEN
