"""The certificate of a delivery: each clause with value, bound and verdict, and all that a reader asks next."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from encoder_compression.contract import tried, winner
from encoder_compression.reporting import gate_check
from encoder_compression.reporting.gate_content import FAIL, OPEN, PASS, GateRow
from encoder_compression.reporting.verdicts import noise, settling_in_words
from encoder_compression.run import provenance

FILE_NAME = "certificate.json"
VERSION = 1
BUDGET = "budget"  # the clause
VERDICTS = {PASS: "kept", OPEN: "open", FAIL: "exceeded"}  # of a row, in the words of a clause
STATUS = {word: gate_check.STATUS[verdict] for verdict, word in VERDICTS.items()}  # exit status of what ends with such a verdict
FIGURES = (
    "score", "score_ci_low", "score_ci_high", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "end_to_end_ms_p50", "speedup",
    "speedup_ci_low", "speedup_ci_high", "throughput_per_s", "size_mb", "memory_run_mb", "parameters",
)  # fmt: skip


def certify(
    *,
    experiment: str,
    options: dict,
    order: list[GateRow],
    figures: dict,
    tried_rows: list[dict],
    exchanges: list[dict],
    row: dict,
    settings: dict,
    measurement: dict,
    served: dict | None,
    folder: Path,
) -> dict:
    """Return the content of certificate.json, as workflow/schemas/certificate.schema.yaml has it.

    ``order`` is that of `winner.rank`, whose first row is delivered; ``figures`` is that row of the tables, ``row`` its seed, artifact
    and results. ``tried_rows`` and ``exchanges`` are what `tried` returns, ``settings`` what predict.py reads, ``served`` what
    `served.measure` returns.
    """
    delivered, *others = order
    origin = provenance.read(Path(row["results"]))
    return {
        "version": VERSION,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "experiment": experiment,
        "task": options["task"],
        "metric": options["metric"],
        "verdict": VERDICTS[delivered["verdict"]],
        "device": {"name": options["device"]["name"]} | options["device"]["options"],
        "delivered": _named(delivered) | {"seed": row["seed"], "folder": settings["folder"]},
        "clauses": delivered["clauses"],
        "settled": _settled(delivered, figures),
        "disturbed": _disturbed(figures, row["results"]),
        "figures": {name: tried.number(figures.get(name)) for name in FIGURES},
        "classes": settings.get("labels"),
        "data": options["dataset"],
        "baseline": {"variant": options["baseline"]["variant"], "score": _baseline_score(figures)},
        "test_examples": options["test_examples"],
        "unit": figures["unit"],
        "runner_up": _named(others[0]) | {"clauses": others[0]["clauses"]} if others else None,
        "nearest": winner.nearest(order) if delivered["verdict"] == FAIL else [],
        "tried": tried_rows,
        "exchanges": exchanges,
        "batching": {"batch_size": settings["batch_size"], "batches_move_logits_by": measurement["batches_move_logits_by"]},
        "served": served,
        "machine": origin["hardware"],
        "packages": origin["packages"] | {name: version(name) for name in ("fastapi", "uvicorn")},
        "revision": origin["git"],
        "files": {name: provenance.fingerprint(folder / name) for name in settings["files"]},
    }


def _named(row: GateRow) -> dict:
    return {"variant": row["variant"], "seeds": row["seeds"], "verdict": VERDICTS[row["verdict"]]}


def _settled(delivered: GateRow, figures: dict) -> str | None:
    """Return what would settle an open budget, in words; None where no budget is open."""
    if not any(clause["clause"] == BUDGET and clause["verdict"] == OPEN for clause in delivered["clauses"]):
        return None
    return settling_in_words(figures["settled_by"], figures["settled_times"], figures["seeds"])


def _disturbed(figures: dict, results: str) -> str | None:
    """Return in words that other programs disturbed the measurement of a row, and how it is measured again; None where none did."""
    finding = noise(figures, [])
    return f"{finding.text} Delete {results}/measurement.json, and the same command measures again." if finding else None


def _baseline_score(figures: dict) -> float:
    """Return the score that a row of the tables is compared with, which is its own where it is the baseline."""
    return figures["score"] if figures["is_baseline"] else figures["score"] - figures["difference"]
