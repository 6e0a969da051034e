"""The release gate on the command line: what gate.json says of an experiment's rows, with an exit status for a CI."""

import json
from pathlib import Path

from encoder_compression.errors import UserError, nearest
from encoder_compression.reporting import gate_words
from encoder_compression.reporting.gate_content import FAIL, OPEN, PASS, GateRow, verdict_of

STATUS = {PASS: 0, OPEN: 3, FAIL: 4}


def check(experiment: str, *, variant: str | None, device: str | None) -> int:
    """Print a line for each clause of the rows of ``variant`` on ``device``, or of all of them; return the status of their verdict.

    UserError where the experiment has no gate.json or no such row.
    """
    rows = _read(experiment)
    for name, wanted in (("variant", variant), ("device", device)):
        rows = _chosen(rows, name, wanted, experiment)
    for row in rows:
        print(*gate_words.lines(row), sep="\n")
    verdict = verdict_of([row["verdict"] for row in rows])
    print(f"{verdict}: {_count(rows)}")
    return STATUS[verdict]


def _read(experiment: str) -> list[GateRow]:
    path = Path("results") / experiment / "gate.json"
    remedy = f"snakemake --cores 1 {path} makes it, from the folder of the run"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["rows"]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: it is no gate of an experiment; remove it, and {remedy}") from error


def _chosen(rows: list[GateRow], name: str, wanted: str | None, experiment: str) -> list[GateRow]:
    """Return the rows whose variant or device is the one that is wanted, if any is."""
    chosen = [row for row in rows if wanted in (None, row[name])]
    if not chosen:
        raise UserError(f"results/{experiment}/gate.json: no row of {name} '{wanted}'{nearest(str(wanted), {row[name] for row in rows})}")
    return chosen


def _count(rows: list[GateRow]) -> str:
    """Return how many clauses of how many rows have each verdict, in words."""
    verdicts = [clause["verdict"] for row in rows for clause in row["clauses"]]
    counted = ", ".join(f"{verdicts.count(name)} {name}" for name in ("kept", "open", "exceeded"))
    return f"{len(rows)} row{'s' * (len(rows) != 1)}, clauses {counted}"
