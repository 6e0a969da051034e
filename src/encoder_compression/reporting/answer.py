"""The engineer's question: on each device, which variant is smallest and which is fastest within a budget of quality."""

from collections.abc import Callable

import pandas as pd

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.standing import is_better_than_constant
from encoder_compression.reporting.text import points as in_words
from encoder_compression.reporting.text import short
from encoder_compression.reporting.verdicts import change_in_points, ratio_in_words
from encoder_compression.statistics.loss_budget import KEPT

SAME_SIZE = 1.01  # files nearer than that differ in headers, not in weights
NO_BASELINE = ("baseline_no_better_than_constant", "the baseline is no better than a constant")


def answers(table: pd.DataFrame, cautions: dict[str, Finding]) -> list[dict]:
    """Return per device {"device", "smallest", "fastest", "caution"}: findings from a `summary.Table.over_seeds`.

    Rows that `standing.exclusions` leaves out are no answer. Rows that have kept the budget come first; where none is better than the
    baseline, one that leaves it open is named. Of rows whose sizes or speeds do not differ beyond noise, the one with
    the best score is taken. ``cautions`` are those of `study_warnings.cautions`, by device, and None stands for the others: without a
    baseline that is better than a constant there is no answer. The facts of a finding name the ``variant`` and those ``tied`` with it.
    """
    return [
        {"device": device, **_answer(rows, device in cautions), "caution": cautions.get(device)}
        for device, rows in table.groupby("device", sort=False)
    ]


def _answer(rows: pd.DataFrame, lacks_baseline: bool) -> dict[str, Finding]:
    fitting = rows[rows["can_win"]]
    if fitting.empty or lacks_baseline:
        return dict.fromkeys(("smallest", "fastest"), _no_winner(rows, fitting))
    return {
        "smallest": _winner(fitting, _smallest, "size", lambda row: f"{short(row['size_mb'])} MB"),
        "fastest": _winner(fitting, _fastest, "speed", _speed),
    }


def _smallest(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["size_mb"] <= SAME_SIZE * rows["size_mb"].min()]


def _fastest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no other is significantly faster than."""
    return rows[rows["speedup_ci_high"].fillna(rows["speedup"]) >= rows["speedup_ci_low"].fillna(rows["speedup"]).max()]


def _no_winner(rows: pd.DataFrame, fitting: pd.DataFrame) -> Finding:
    reason, text = _why_none(rows) if fitting.empty else NO_BASELINE
    return Finding("no_winner", f"none: {text}", also=(reason,))


def _winner(fitting: pd.DataFrame, choose: Callable[[pd.DataFrame], pd.DataFrame], what: str, show: Callable[[pd.Series], str]) -> Finding:
    """Return the best of rows that ``choose`` leaves, which do not differ in ``what`` beyond noise; ``show`` words what it won by."""
    sure = choose(fitting[fitting["is_baseline"] | (fitting["budget"] == KEPT)])
    best = _best(choose(fitting))
    chosen = choose(fitting) if sure.empty or sure["is_baseline"].any() else sure
    winner = _best(chosen)
    tied_variants = chosen.loc[chosen["variant"] != winner["variant"], "variant"].tolist()
    change, codes = _change(winner)
    ties = f" (not significantly different in {what}: {', '.join(tied_variants)})" if tied_variants else ""
    rival = None if winner["variant"] in choose(fitting)["variant"].tolist() else best
    return Finding(
        "baseline_wins" if winner["is_baseline"] else "variant_wins",
        f"{winner['variant']}, {show(winner)}, {change}{ties}{_open_rival(rival, show)}",
        also=(*codes, *(["tied"] if tied_variants else []), *(["open_rival"] if rival is not None else [])),
        facts={"variant": winner["variant"], "tied": tied_variants, "open": None if rival is None else rival["variant"]},
    )


def _best(rows: pd.DataFrame) -> pd.Series:
    return rows.loc[rows["score"].idxmax()]


def _open_rival(rival: pd.Series | None, show: Callable[[pd.Series], str]) -> str:
    """Name the row that would win if the test split could tell that it keeps the budget."""
    return "" if rival is None else f"; open is {rival['variant']}, {show(rival)}, {_change(rival)[0]}"


def _why_none(rows: pd.DataFrame) -> tuple[str, str]:
    """Return why no row can win, as a code and in words."""
    if (rows["seeds_of_one_class"] > 0).all():
        return "all_of_one_answer", f"every variant predicts the same for every {rows['unit'].iloc[0]}"
    if not any(map(is_better_than_constant, rows.to_dict("records"))):
        return "none_better_than_constant", f"no variant scores better than {rows['constant'].iloc[0]}"
    allowed = in_words(rows["allowed_points"].iloc[0])
    return "none_within_limits", f"no variant that has learned something drops by at most {allowed}"


def _speed(row: pd.Series) -> str:
    if row["is_baseline"]:
        return "nothing is significantly faster"
    return ratio_in_words(row, "speedup")


def _change(row: pd.Series) -> tuple[str, tuple[str, ...]]:
    """Return by how much the score of a row drops, in words and as codes."""
    if row["is_baseline"]:
        return "the baseline itself", ()
    if row["agreement"] == 1:
        return "with the baseline's predictions", ("same_predictions", row["budget"])
    change = f"{row['metric'].replace('_', ' ')} {change_in_points(row, 'difference')}"
    return f"{change}, budget {row['budget']}", (row["budget"],)
