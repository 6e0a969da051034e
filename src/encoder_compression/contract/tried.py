"""What was tried before a delivery, and what one more point, millisecond or megabyte would buy."""

import math
from pathlib import Path

import pandas as pd

from encoder_compression.reporting.gate_content import GateRow
from encoder_compression.statistics.loss_budget import KEPT

FIGURES = ("score", "difference", "latency_ms", "size_mb", "memory_mb")  # shares of 1, ms, MB of 10⁶ bytes
AXES = {"difference": -1, "latency_ms": 1, "size_mb": 1, "memory_mb": 1}  # what costs, and which way
WORTH = 0.01  # of a figure: less is no gain
POINT = 0.001  # of a score: less is no gain
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


def exchanges(tried: list[dict], delivered: str) -> list[dict]:
    """Return for each axis the row that the smallest sacrifice on it leads to: "axis", "variant", "costs", and what it "gains" by axis.

    Costs and gains are above 0: points of the score as shares of 1, ms and MB less. A row that is better nowhere is no exchange.
    """
    subject = next(row for row in tried if row["variant"] == delivered)
    offers = [_offer(axis, row, subject) for axis in AXES for row in tried if row is not subject]
    best = {axis: min((offer for offer in offers if offer and offer["axis"] == axis), key=_costs, default=None) for axis in AXES}
    return [offer for offer in best.values() if offer]


def _costs(offer: dict) -> float:
    return offer["costs"]


def _offer(axis: str, row: dict, subject: dict) -> dict | None:
    """Return what a row costs on an axis, with its gains on the others; None where it costs nothing, or gains nothing."""
    better = {name: _better(name, row, subject) for name in AXES}
    gains = {name: gain for name, gain in better.items() if gain is not None and gain > _least(name, subject)}
    if better[axis] is None or better[axis] >= 0 or not gains:
        return None
    return {"axis": axis, "variant": row["variant"], "source": row["source"], "costs": -better[axis], "gains": gains}


def _better(name: str, row: dict, subject: dict) -> float | None:
    """Return by how much a row is better than another one on an axis, negative where it is worse; None where that is not known."""
    if row[name] is None or subject[name] is None:
        return None
    return AXES[name] * (subject[name] - row[name])


def _least(name: str, subject: dict) -> float:
    return POINT if name == "difference" else WORTH * subject[name]
