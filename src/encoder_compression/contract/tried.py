"""What was tried before a delivery, and what one more point, millisecond or megabyte would buy."""

import math
from pathlib import Path

import pandas as pd

from encoder_compression.reporting.gate_content import GateRow
from encoder_compression.statistics.loss_budget import KEPT

FIGURES = ("score", "difference", "latency_ms", "size_mb", "memory_mb")  # shares of 1, ms, MB of 10⁶ bytes
AXES = {"difference": -1, "latency_ms": 1, "size_mb": 1, "memory_mb": 1}  # what costs, and which way
WORTH = 0.05  # of a cost: less is no gain, as it differs that much from one start of a program to the next
UNJUDGED = {"verdict": None, "missed": None}
OF_TABLE = {
    "score": "score",
    "difference": "difference",
    "latency_ms": "latency_ms_p50",
    "size_mb": "size_mb",
    "memory_mb": "memory_run_mb",
}
OF_SCREENING = {name: name for name in FIGURES} | {"difference": "change"}


def rows(table: pd.DataFrame, gate: list[GateRow], screening: Path | None) -> list[dict]:
    """Return the rows of a table `summary.Table.over_seeds` on one device, then those that were screened, trained, and not measured.

    Each has "variant", "source", the "verdict" of its row of the release ``gate``, the clauses that it "missed" with their verdicts, and
    `FIGURES`; None where there is none. The baseline differs by 0.
    """
    judged = {row["variant"]: row for row in gate}
    measured = [
        _row(row, OF_TABLE, "measured") | _judged(judged[row["variant"]]) for row in table.to_dict("records") if row["variant"] in judged
    ]
    table_of_screening = pd.read_csv(screening).to_dict("records") if screening else []
    screened = [row for row in table_of_screening if row["trained"] and row["variant"] not in judged]
    return measured + [_row(row, OF_SCREENING, "screened") | UNJUDGED for row in screened]


def _judged(row: GateRow) -> dict:
    missed = {clause["clause"]: clause["verdict"] for clause in row["clauses"] if clause["verdict"] != KEPT}
    return {"verdict": row["verdict"], "missed": missed}


def _row(row: dict, columns: dict[str, str], source: str) -> dict:
    figures = {name: number(row.get(column)) for name, column in columns.items()}
    if row.get("is_baseline"):
        figures["difference"] = 0.0
    return {"variant": row["variant"], "source": source} | figures


def number(value) -> float | None:
    """Return a figure of a table, None where there is none."""
    return None if value is None or not isinstance(value, int | float) or math.isnan(value) else float(value)


def comparable(rows: list[dict], screening: Path | None) -> list[list[dict]]:
    """Return what was measured on test, and what was screened on validation: only figures of one kind are compared."""
    screened = pd.read_csv(screening).to_dict("records") if screening else []
    measured = [row for row in rows if row["source"] == "measured"]
    return [measured, [_row(row, OF_SCREENING, "screened") for row in screened if row["trained"]]]


def noise(table: pd.DataFrame, screening: Path | None) -> dict[tuple[str, str], float]:
    """Return by source and variant how far its change of the score is from the one-sided 95 % bound; 0 of what changes by nothing."""
    screened = pd.read_csv(screening).to_dict("records") if screening else []
    widths = {("screened", row["variant"]): row["change"] - row["change_above"] for row in screened}
    widths |= {("measured", row["variant"]): number(row["difference"] - row["change_above"]) for row in table.to_dict("records")}
    return {row: width or 0.0 for row, width in widths.items()}


def exchanges(groups: list[list[dict]], delivered: str, noise: dict[tuple[str, str], float]) -> list[dict]:
    """Return for each axis the row that the smallest sacrifice on it leads to: "axis", "variant", "costs", and what it "gains" by axis.

    ``groups`` are those of `comparable`; a row is compared with the delivered one of its group. Costs and gains are above 0: points of
    the score as shares of 1, ms and MB less. A row that is better nowhere is no exchange; it is better in score by more than the `noise`
    of both rows.
    """
    offers = [offer for rows in groups for offer in _offers(rows, delivered, noise)]
    best = [min((offer for offer in offers if offer["axis"] == axis), key=_costs, default=None) for axis in AXES]
    return [offer for offer in best if offer]


def _offers(rows: list[dict], delivered: str, noise: dict[tuple[str, str], float]) -> list[dict]:
    """Return what the rows of a group offer for the delivered one; nothing where that is not among them."""
    subject = next((row for row in rows if row["variant"] == delivered), None)
    if subject is None:
        return []
    others = [row for row in rows if row is not subject]
    widths = [math.hypot(*(noise[each["source"], each["variant"]] for each in (row, subject))) for row in others]
    least = [_least(subject, width) for width in widths]
    offers = [_offer(axis, row, subject, each) for axis in AXES for row, each in zip(others, least, strict=True)]
    return [offer for offer in offers if offer]


def _costs(offer: dict) -> float:
    return offer["costs"]


def _offer(axis: str, row: dict, subject: dict, least: dict[str, float]) -> dict | None:
    """Return what a row costs on an axis, with its gains on the others above the ``least``; None where it costs or gains nothing."""
    better = {name: _better(name, row, subject) for name in AXES}
    gains = {name: gain for name, gain in better.items() if gain is not None and gain > least[name]}
    if better[axis] is None or better[axis] >= 0 or not gains:
        return None
    return {"axis": axis, "variant": row["variant"], "source": row["source"], "costs": -better[axis], "gains": gains}


def _better(name: str, row: dict, subject: dict) -> float | None:
    """Return by how much a row is better than another one on an axis, negative where it is worse; None where that is not known."""
    if row[name] is None or subject[name] is None:
        return None
    return AXES[name] * (subject[name] - row[name])


def _least(subject: dict, noise: float) -> dict[str, float]:
    """Return what a gain on each axis must be above."""
    return {name: noise if name == "difference" else WORTH * (subject[name] or 0) for name in AXES}
