"""The engineer's question: on each device, which variant is smallest and which is fastest within a budget of quality."""

import pandas as pd

from encoder_compression.reporting.standing import Limits, is_better_than_constant
from encoder_compression.reporting.text import points as in_words
from encoder_compression.reporting.text import short
from encoder_compression.reporting.verdicts import ratio_in_words

SAME_SIZE = 1.01  # files nearer than that differ in headers, not in weights


def answers(table: pd.DataFrame, limits: Limits, cautions: dict[str, str]) -> list[dict[str, str]]:
    """Return per device {"device", "smallest", "fastest", "caution"}: sentences from a `summary.Table.over_seeds`.

    Rows that `standing.exclusions` leaves out are no answer. Of rows whose sizes or speeds do not differ beyond noise, the one with
    the best score is taken. ``cautions`` are those of `warnings.cautions`, by device: without a baseline that is better than a
    constant there is no answer.
    """
    return [
        {"device": device, **_answer(rows, limits, device in cautions), "caution": cautions.get(device, "")}
        for device, rows in table.groupby("device", sort=False)
    ]


def _answer(rows: pd.DataFrame, limits: Limits, lacks_baseline: bool) -> dict[str, str]:
    fitting, points = rows[rows["can_win"]], limits.points
    if fitting.empty or lacks_baseline:
        nothing = f"none: {_why_none(rows, limits) if fitting.empty else 'the baseline is no better than a constant'}"
        return {"smallest": nothing, "fastest": nothing}
    small = fitting[fitting["size_mb"] <= SAME_SIZE * fitting["size_mb"].min()]
    fast = fitting[_fastest_end(fitting) >= fitting["speedup_ci_low"].fillna(fitting["speedup"]).max()]
    smallest, fastest = (tied.loc[tied["score"].idxmax()] for tied in (small, fast))
    return {
        "smallest": f"{smallest['variant']}, {short(smallest['size_mb'])} MB, {_loss(smallest, points)}{_ties(small, smallest, 'size')}",
        "fastest": f"{fastest['variant']}, {_speed(fastest)}, {_loss(fastest, points)}{_ties(fast, fastest, 'speed')}",
    }


def _why_none(rows: pd.DataFrame, limits: Limits) -> str:
    if (rows["seeds_of_one_class"] > 0).all():
        return f"every variant predicts the same for every {rows['unit'].iloc[0]}"
    if not any(map(is_better_than_constant, rows.to_dict("records"))):
        return f"no variant scores better than {rows['constant'].iloc[0]}"
    gate = "" if limits.retained is None else f" and retains {100 * limits.retained:g}%"
    return f"no variant that has learnt something loses at most {in_words(limits.points)}{gate}"


def _fastest_end(rows: pd.DataFrame) -> pd.Series:
    return rows["speedup_ci_high"].fillna(rows["speedup"])


def _speed(row: pd.Series) -> str:
    if row["is_baseline"]:
        return "nothing is surely faster"
    return ratio_in_words(row, "speedup")


def _loss(row: pd.Series, points: float) -> str:
    if row["is_baseline"]:
        return "the baseline itself"
    if row["agreement"] == 1:
        return "with the baseline's predictions"
    low, high = (row[f"difference_ci_{end}"] * 100 for end in ("low", "high"))
    change = f"{row['metric']} {row['difference'] * 100:+.1f} points ({low:+.1f} to {high:+.1f})"
    return f"{change}; the interval reaches beyond the budget" if low < -points else change


def _ties(tied: pd.DataFrame, chosen: pd.Series, what: str) -> str:
    others = tied.loc[tied.index != chosen.name, "variant"]
    return f" (not distinguishable in {what}: {', '.join(others)})" if len(others) else ""
