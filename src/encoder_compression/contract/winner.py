"""Which row of a release gate is delivered: the fastest whose figures keep the contract, else the one that comes nearest to it."""

import math
from collections.abc import Iterable

from encoder_compression.reporting.gate_content import FAIL, OPEN, PASS, Clause, GateRow

LEAST_SCALE = 0.01  # what an excess is counted in where the limit is 0: a point of the score


def rank(rows: Iterable[GateRow], latency_ms: dict[str, float]) -> list[GateRow]:
    """Return the rows, the one to deliver first: those whose figures are within all limits, then other open ones, then those that fail.

    They go by ``latency_ms``, the median of single calls by variant: a search chose on validation which rows are here, and a slower row
    is no better for a bound that more test examples would settle. Rows that fail go by the largest relative excess over a limit.
    """
    return sorted(rows, key=lambda row: (row["verdict"] == FAIL, _miss(row), latency_ms[row["variant"]]))


def excess(clause: Clause) -> float:
    """Return how far a figure is beyond its limit, as a share of the limit: 0.5 for 3 ms where 2 are allowed, negative where it is kept.

    Infinite where there is no figure.
    """
    if clause["value"] is None:
        return math.inf
    kind = next(name for name in ("at_most", "at_least", "above") if name in clause)
    beyond = clause["value"] - clause[kind]
    return (beyond if kind == "at_most" else -beyond) / (abs(clause[kind]) or LEAST_SCALE)


def nearest(rows: list[GateRow]) -> list[dict]:
    """Return for each clause the row that comes nearest to its limit: "clause", "variant", "value", "excess"."""
    names = dict.fromkeys(clause["clause"] for row in rows for clause in row["clauses"])
    return [_nearest(name, rows) for name in names]


def _nearest(name: str, rows: list[GateRow]) -> dict:
    held = [(excess(clause), row["variant"], clause["value"]) for row in rows for clause in row["clauses"] if clause["clause"] == name]
    beyond, variant, value = min(held, key=lambda entry: entry[0])
    return {"clause": name, "variant": variant, "value": value, "excess": beyond if math.isfinite(beyond) else None}


def _miss(row: GateRow) -> float:
    """Return the largest excess of a row that fails, and of an open one whether its figures are within all limits: 0, else 1."""
    largest = max(map(excess, row["clauses"]))
    return {PASS: 0.0, OPEN: float(largest > 0), FAIL: largest}[row["verdict"]]
