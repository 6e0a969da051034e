"""The release gate: what those who deploy ask of each row, decided by one-sided 95 % bounds, as gate.json says it."""

import pandas as pd

from encoder_compression.reporting.gate_clauses import CLAUSES
from encoder_compression.reporting.gate_content import Clause, ReleaseGate, verdict_of
from encoder_compression.reporting.gate_costs import COSTS
from encoder_compression.reporting.summary import Table
from encoder_compression.statistics.loss_budget import EXCEEDED, KEPT, against

LIMITS = ("at_least", "at_most")
NOT_LEARNT = {"one_answer", "no_better_than_constant"}  # codes of `standing.exclusions`


def release_gate(table: Table, aggregate: pd.DataFrame, options: dict) -> ReleaseGate:
    """Return what gate.json says of the rows of ``aggregate``, a `summary.Table.over_seeds`.

    ``options`` is the section "gate" of the experiment. Two clauses need none: that a row is better than a constant prediction, by the
    rule of `standing`, and that it kept the budget.
    """
    asked = {name: figures_of(table, options[name]) for name, figures_of in (CLAUSES | COSTS).items() if name in options}
    rows = []
    for row in aggregate.to_dict("records"):
        key = row["variant"], row["device"]
        clauses = [
            _learnt(row),
            *_budget(row),
            *(_clause(name, figures[key], options[name]) for name, figures in asked.items() if key in figures),
        ]
        seeds = [each["seed"] for each in table.groups[key]]
        named = {"variant": key[0], "device": key[1], "seeds": seeds, "is_baseline": bool(row["is_baseline"])}
        rows.append(named | {"verdict": verdict_of([clause["verdict"] for clause in clauses]), "clauses": clauses})
    together = verdict_of([row["verdict"] for row in rows])
    return {"experiment": table.experiment, "metric": table.metric, "verdict": together, "rows": rows}


def _learnt(row: dict) -> Clause:
    """Return whether a row has learnt anything, by the rule that also says which rows can win."""
    verdict = EXCEEDED if NOT_LEARNT & set(row["excluded_kinds"].split()) else KEPT
    return _figures("constant", row["score"], None, None) | {"above": row["constant_score"], "verdict": verdict}


def _budget(row: dict) -> list[Clause]:
    """Return what the tests say of the budget; nothing for the baseline, which loses nothing to itself."""
    if row["is_baseline"]:
        return []
    figures = _figures("budget", row["difference"], row["change_above"], row["change_below"])
    return [figures | {"at_least": -row["allowed_points"] / 100, "verdict": row["budget"]}]


def _clause(name: str, figures: dict, options: dict) -> Clause:
    """Return a clause with its ``figures`` of a row and what else they tell."""
    limit = {kind: float(options[kind]) for kind in LIMITS if kind in options}
    described = {"label": str(options["label"]), "false_positive_rate": options["false_positive_rate"]} if name == "recall" else {}
    further_figures = {key: value for key, value in figures.items() if key not in ("value", "low", "high")}
    verdict = against(limit, figures["low"], figures["high"])
    return _figures(name, figures["value"], figures["low"], figures["high"]) | limit | {"verdict": verdict} | described | further_figures


def _figures(name: str, value: float | None, low: float | None, high: float | None) -> Clause:
    return {"clause": name, "value": value, "lower_bound": low, "upper_bound": high}
