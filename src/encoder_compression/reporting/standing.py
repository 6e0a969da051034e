"""Which rows may be called best: one rule for the tables, the plots, the Pareto front, the report and the answer."""

from dataclasses import dataclass

import pandas as pd

from encoder_compression.reporting.findings import Finding, kinds
from encoder_compression.reporting.text import points as in_words

ROUNDING = 1e-9  # differences of scores are not exact
TAGS = {  # what a mark in a table says of each exclusion
    "one_answer": "one answer only",
    "no_better_than_constant": "no better than a constant",
    "beyond_budget": "beyond the budget",
    "below_gate": "below the gate",
}


@dataclass(frozen=True)
class Limits:
    """What a row may lose: ``points`` (hundredths) of the score; and the share of it that must be ``retained``, None without a gate."""

    points: float
    retained: float | None


def exclusions(row: dict, limits: Limits) -> list[Finding]:
    """Return why a row of `summary.Table.over_seeds` cannot be called best, as parts of a sentence; empty where it can.

    The budget decides by the point estimate. A model that answers as any constant would has learnt nothing, whatever the budget.
    """
    rules = (_one_answer(row), _no_better_than_constant(row), _beyond_budget(row, limits.points), _below_gate(row, limits.retained))
    return [reason for reason in rules if reason]


def columns(reasons: list[list[Finding]]) -> dict[str, list]:
    """Return the columns that tell of each row's `exclusions` whether it can win, and if not why: in codes, in tags, in words."""
    return {
        "can_win": [not each for each in reasons],
        "excluded_kinds": [kinds(each) for each in reasons],
        "excluded": [", ".join(TAGS[reason.kind] for reason in each) for each in reasons],
        "why_excluded": ["; ".join(reason.text for reason in each) for each in reasons],
    }


def _one_answer(row: dict) -> Finding | None:
    seeds = row["seeds_of_one_class"]
    if not seeds:
        return None
    where = "" if row["seeds"] == 1 else f"with {seeds} of {row['seeds']} seeds "
    text = f"{where}it predicts the same for every {row['unit']}, so it has learnt nothing and its score says nothing"
    return Finding("one_answer", text)


def _no_better_than_constant(row: dict) -> Finding | None:
    """Compare with the best constant prediction; a model of one answer is one, and that is said already."""
    if row["seeds_of_one_class"] or is_better_than_constant(row):
        return None
    return Finding("no_better_than_constant", f"it scores {row['score']:.1%}, {compared_with_constant(row)}")


def is_better_than_constant(row: dict) -> bool:
    """Say whether a score is better than that of the best constant prediction."""
    return row["score"] > row["constant_score"] + ROUNDING


def compared_with_constant(row: dict) -> str:
    """Return where a score lies that is no better than that of the best constant prediction: ``below the 55.0% of …``."""
    relation = "below" if is_below_constant(row) else "no better than"
    return f"{relation} the {row['constant_score']:.1%} of {row['constant']}"


def is_below_constant(row: dict) -> bool:
    """Say whether a score is worse than that of the best constant prediction."""
    return row["score"] < row["constant_score"] - ROUNDING


def _beyond_budget(row: dict, points: float) -> Finding | None:
    lost = 0.0 if pd.isna(row["difference"]) else -100 * row["difference"]
    if lost <= points + ROUNDING:
        return None
    metric = row["metric"].replace("_", " ")
    text = f"its {metric} drops by {_beyond(lost, points, 2)} points, beyond the budget of {in_words(points)}"
    return Finding("beyond_budget", text)


def _below_gate(row: dict, share: float | None) -> Finding | None:
    """Compare with the quality gate; where no share is defined, only the baseline itself is not held to it."""
    if share is None or row["is_baseline"] or (pd.notna(row["retained"]) and row["retained"] >= share - ROUNDING):
        return None
    if pd.isna(row["retained"]):
        return Finding("below_gate", f"nothing can pass the quality gate of {100 * share:g}%, since the baseline's score is not above 0")
    metric = row["metric"].replace("_", " ")
    kept = _beyond(100 * row["retained"], 100 * share, 2)
    return Finding("below_gate", f"it retains {kept}% of the baseline's {metric}, below the quality gate of {100 * share:g}%")


def _beyond(value: float, limit: float, digits: int) -> str:
    """Return a number with as many digits, 2 or more, as show on which side of the limit it lies."""
    shown = (f"{value:.{places}f}" for places in range(digits, 12))
    return next((text for text in shown if (float(text) - limit) * (value - limit) > 0), str(value))
