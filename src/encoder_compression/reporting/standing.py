"""Which rows may be called best: one rule for the tables, the plots, the Pareto front, the report and the answer."""

from dataclasses import dataclass

import pandas as pd

from encoder_compression.reporting.findings import Finding, kinds
from encoder_compression.reporting.text import beside
from encoder_compression.reporting.text import points as in_words

ROUNDING = 1e-9  # differences of scores are not exact
TAGS = {  # what a mark in a table says of each exclusion
    "one_answer": "one answer only",
    "no_better_than_constant": "no better than a constant",
    "beyond_budget": "beyond the budget",
}


@dataclass(frozen=True)
class Limits:
    """What a row may lose: ``points`` (hundredths) of the score, and no more than leaves the share ``retained`` of the baseline's."""

    points: float
    retained: float | None

    def allowed(self, baseline_score: float) -> float:
        """Return the largest drop of the score that is within the budget, a share of 1; none where there is nothing to retain."""
        points = self.points / 100
        return points if self.retained is None else min(points, max(0.0, (1 - self.retained) * baseline_score))


def exclusions(row: dict) -> list[Finding]:
    """Return why a row of `summary.Table.over_seeds` cannot be called best, as parts of a sentence; empty where it can.

    A row whose score drops by more than the budget cannot, whatever its interval; of the others, tests say whether they kept it. A model
    that answers as any constant would has learnt nothing, whatever the budget.
    """
    return [reason for reason in (_one_answer(row), _no_better_than_constant(row), _beyond_budget(row)) if reason]


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


def _beyond_budget(row: dict) -> Finding | None:
    lost = 0.0 if pd.isna(row["difference"]) else -100 * row["difference"]
    if lost <= row["allowed_points"] + ROUNDING:
        return None
    metric = row["metric"].replace("_", " ")
    text = f"its {metric} drops by {beside(lost, row['allowed_points'], 2)} points, beyond the budget of {in_words(row['allowed_points'])}"
    return Finding("beyond_budget", text)
