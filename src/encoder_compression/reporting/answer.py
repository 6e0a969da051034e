"""The engineer's question: on each device, which variant is smallest and which is fastest within a budget of quality."""

from collections.abc import Callable

import pandas as pd

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.standing import Limits, is_better_than_constant
from encoder_compression.reporting.text import points as in_words
from encoder_compression.reporting.text import short
from encoder_compression.reporting.verdicts import ratio_in_words

SAME_SIZE = 1.01  # files nearer than that differ in headers, not in weights
NO_BASELINE = ("baseline_no_better_than_constant", "the baseline is no better than a constant")


def answers(table: pd.DataFrame, limits: Limits, cautions: dict[str, Finding]) -> list[dict]:
    """Return per device {"device", "smallest", "fastest", "caution"}: findings from a `summary.Table.over_seeds`.

    Rows that `standing.exclusions` leaves out are no answer. Of rows whose sizes or speeds do not differ beyond noise, the one with
    the best score is taken. ``cautions`` are those of `study_warnings.cautions`, by device, and None stands for the others: without a
    baseline that is better than a constant there is no answer. The facts of a finding name the ``variant`` and those ``tied`` with it.
    """
    return [
        {"device": device, **_answer(rows, limits, device in cautions), "caution": cautions.get(device)}
        for device, rows in table.groupby("device", sort=False)
    ]


def _answer(rows: pd.DataFrame, limits: Limits, lacks_baseline: bool) -> dict[str, Finding]:
    fitting = rows[rows["can_win"]]
    if fitting.empty or lacks_baseline:
        return dict.fromkeys(("smallest", "fastest"), _no_winner(rows, fitting, limits))
    small = fitting[fitting["size_mb"] <= SAME_SIZE * fitting["size_mb"].min()]
    fast = fitting[_fastest_end(fitting) >= fitting["speedup_ci_low"].fillna(fitting["speedup"]).max()]
    return {
        "smallest": _winner(small, "size", limits.points, lambda row: f"{short(row['size_mb'])} MB"),
        "fastest": _winner(fast, "speed", limits.points, _speed),
    }


def _no_winner(rows: pd.DataFrame, fitting: pd.DataFrame, limits: Limits) -> Finding:
    reason, text = _why_none(rows, limits) if fitting.empty else NO_BASELINE
    return Finding("no_winner", f"none: {text}", also=(reason,))


def _winner(tied: pd.DataFrame, what: str, points: float, show: Callable[[pd.Series], str]) -> Finding:
    """Return the best of rows that do not differ in ``what`` beyond noise; ``show`` words what it won by."""
    winner = tied.loc[tied["score"].idxmax()]
    tied_variants = tied.loc[tied.index != winner.name, "variant"].tolist()
    change, codes = _change(winner, points)
    ties = f" (not distinguishable in {what}: {', '.join(tied_variants)})" if tied_variants else ""
    return Finding(
        "baseline_wins" if winner["is_baseline"] else "variant_wins",
        f"{winner['variant']}, {show(winner)}, {change}{ties}",
        also=(*codes, "tied") if tied_variants else codes,
        facts={"variant": winner["variant"], "tied": tied_variants},
    )


def _why_none(rows: pd.DataFrame, limits: Limits) -> tuple[str, str]:
    """Return why no row can win, as a code and in words."""
    if (rows["seeds_of_one_class"] > 0).all():
        return "all_of_one_answer", f"every variant predicts the same for every {rows['unit'].iloc[0]}"
    if not any(map(is_better_than_constant, rows.to_dict("records"))):
        return "none_better_than_constant", f"no variant scores better than {rows['constant'].iloc[0]}"
    gate = "" if limits.retained is None else f" and retains {100 * limits.retained:g}%"
    return "none_within_limits", f"no variant that has learnt something loses at most {in_words(limits.points)}{gate}"


def _fastest_end(rows: pd.DataFrame) -> pd.Series:
    return rows["speedup_ci_high"].fillna(rows["speedup"])


def _speed(row: pd.Series) -> str:
    if row["is_baseline"]:
        return "nothing is surely faster"
    return ratio_in_words(row, "speedup")


def _change(row: pd.Series, points: float) -> tuple[str, tuple[str, ...]]:
    """Return what a row loses, in words and as codes."""
    if row["is_baseline"]:
        return "the baseline itself", ()
    if row["agreement"] == 1:
        return "with the baseline's predictions", ("same_predictions",)
    low, high = (row[f"difference_ci_{end}"] * 100 for end in ("low", "high"))
    change = f"{row['metric']} {row['difference'] * 100:+.1f} points ({low:+.1f} to {high:+.1f})"
    if low < -points:
        return f"{change}; the interval reaches beyond the budget", ("interval_beyond_budget",)
    return change, ()
