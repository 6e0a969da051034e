"""Which row of a release gate is delivered: one that keeps the contract, else the one that comes nearest to it."""

import math
from collections.abc import Iterable

from encoder_compression.reporting.gate_content import FAIL, OPEN, PASS, Clause, GateRow

LEAST_SCALE = 0.01  # what an excess is counted in where the limit is 0: a point of the score


def rank(rows: Iterable[GateRow], latency_ms: dict[str, float], *, baseline: str) -> list[GateRow]:
    """Return the rows, the one to deliver first; ``latency_ms`` is the median of single calls by variant.

    First come the rows whose own figures are within all limits: those that pass, those that the bounds leave open, and last the variant
    that is the ``baseline``, which a contract is to replace. Then come other open rows, then those that fail, the nearest miss first.
    """
    return sorted(rows, key=lambda row: _place(row, baseline) + (latency_ms[row["variant"]],))


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


def _place(row: GateRow, baseline: str) -> tuple:
    """Return what rows are ordered by before their speed."""
    largest = max(map(excess, row["clauses"]))
    beyond = {PASS: 0.0, OPEN: float(largest > 0), FAIL: largest}[row["verdict"]]
    return row["verdict"] == FAIL, beyond, row["variant"] == baseline, row["verdict"] != PASS
