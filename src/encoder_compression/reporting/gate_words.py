"""The release gate in words: a line for each clause, and a table of rows and clauses."""

import math

from encoder_compression.reporting.gate_content import Clause, GateRow, ReleaseGate
from encoder_compression.reporting.page_content import TextTable
from encoder_compression.reporting.text import ABSENT, beside, points

NOTE = (
    "Each figure is a mean over seeds on test, with the one-sided 95 % bound that counts: the lower one against a least value, the upper "
    "one against a largest. A clause is kept where this bound is within the limit, exceeded where even the opposite one is beyond it, else "
    "open. A row passes where all clauses are kept and fails where one is exceeded."
)
IN_POINTS = "budget"
COSTS = {"latency_ms": ("p50", "ms"), "size_mb": ("size", "MB"), "memory_mb": ("memory", "MB")}  # name in a sentence, unit
NOTHING: TextTable = {"heads": [], "rows": []}


def lines(row: GateRow) -> list[str]:
    """Return a line for each clause of a row, as the command line prints it."""
    return [f"{row['variant']} on {row['device']}: {title(clause)}: {_in_words(clause)}: {clause['verdict']}" for clause in row["clauses"]]


def title(clause: Clause) -> str:
    """Return what a clause asks for: ``recall of good at 5 % false positives, at least 80 %``."""
    name = clause["clause"].replace("_", " ")
    if clause["clause"] in COSTS:
        cost, unit = COSTS[clause["clause"]]
        return f"{cost}, at most {clause['at_most']:g} {unit}"
    if name == "constant":
        return f"score above the {_percent(clause['above'])} of the best constant prediction"
    if name == IN_POINTS:
        return f"budget, a loss of at most {points(abs(100 * clause['at_least']))}"
    what = f"recall of {clause['label']} at {100 * clause['false_positive_rate']:g} % false positives" if name == "recall" else name
    limit = f"at least {100 * clause['at_least']:.4g}" if "at_least" in clause else f"at most {100 * clause['at_most']:.4g}"
    return f"{what}, {limit} %"


def table(gate: ReleaseGate) -> TextTable:
    """Return rows × clauses as texts. Budgets and constants can differ between rows, so that their heads name no limit."""
    fullest_first = sorted(gate["rows"], key=lambda row: -len(row["clauses"]))  # the baseline lacks some
    heads = dict.fromkeys(_head(clause) for row in fullest_first for clause in row["clauses"])
    rows = []
    for row in gate["rows"]:
        cells = {_head(clause): f"{_in_words(clause)}: {clause['verdict']}" for clause in row["clauses"]}
        rows.append([row["variant"], row["device"], row["verdict"], *(cells.get(head, ABSENT) for head in heads)])
    return {"heads": ["variant", "device", "gate", *heads], "rows": rows}


def _head(clause: Clause) -> str:
    return {"constant": "score above a constant's", IN_POINTS: IN_POINTS}.get(clause["clause"]) or title(clause)


def _in_words(clause: Clause) -> str:
    """Return the figure of a clause with the bound that decides: ``84.0 % (above 79.1)``."""
    if clause["value"] is None:
        return "not known, as there are too few examples"
    return f"{_value(clause)}{_bound(clause)}{_further(clause)}"


def _value(clause: Clause) -> str:
    if clause["clause"] in COSTS:
        return f"{clause['value']:.3g} {COSTS[clause['clause']][1]}"
    return (_points if clause["clause"] == IN_POINTS else _percent)(clause["value"])


def _bound(clause: Clause) -> str:
    """Return the bound against the limit, with as many digits as show on which side of it: of an exceeded clause the opposite one."""
    if clause["lower_bound"] is None:
        return ""
    least, scale = "at_least" in clause, 1 if clause["clause"] in COSTS else 100
    limit = scale * clause["at_least" if least else "at_most"]
    name = "lower_bound" if least == (clause["verdict"] != "exceeded") else "upper_bound"
    return f" ({'above' if name == 'lower_bound' else 'below'} {beside(scale * clause[name], limit, _digits(clause))})"


def _digits(clause: Clause) -> int:
    """Return how many digits a bound has behind the point: of a cost three significant ones of its value, of points and percent one."""
    if clause["clause"] not in COSTS or not clause["value"]:
        return 1
    return max(0, 2 - math.floor(math.log10(clause["value"])))


def _further(clause: Clause) -> str:
    """Return what else a clause tells: the slice, or the false-positive rate on test."""
    if "slice" in clause:
        return f", {clause['slice']}, {clause['examples']} examples"
    rate = clause.get("test_false_positive_rate")
    return "" if rate is None else f", {_percent(rate)} false positives on test"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(change: float) -> str:
    return f"{100 * change:+.2f} points"
