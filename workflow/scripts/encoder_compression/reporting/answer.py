"""The engineer's question: on each device, which variant is smallest and which is fastest within a budget of quality."""

import pandas as pd

from encoder_compression.reporting.text import points as in_words
from encoder_compression.reporting.text import short

ROUNDING = 1e-9  # differences of scores are not exact
SAME_SIZE = 1.01  # files nearer than that differ in headers, not in weights


def answers(table: pd.DataFrame, points: float) -> list[dict[str, str]]:
    """Return per device {"device", "smallest", "fastest"}: sentences from a `summary.Table.over_seeds`.

    A row may lose at most ``points`` hundredths of the score to the baseline, must pass the quality gate and tell classes
    apart. Of rows whose size or speed cannot be told apart, the one with the best score is taken.
    """
    return [{"device": device, **_answer(rows, points)} for device, rows in table.groupby("device", sort=False)]


def _answer(rows: pd.DataFrame, points: float) -> dict[str, str]:
    fitting = rows[rows["can_win"] & (rows["difference"].astype(float).fillna(0) >= -points / 100 - ROUNDING)]
    if fitting.empty:
        nothing = f"none: {_why_none(rows, points)}"
        return {"smallest": nothing, "fastest": nothing}
    small = fitting[fitting["size_mb"] <= SAME_SIZE * fitting["size_mb"].min()]
    fast = fitting[_fastest_end(fitting) >= fitting["speedup_ci_low"].fillna(fitting["speedup"]).max()]
    smallest, fastest = (tied.loc[tied["score"].idxmax()] for tied in (small, fast))
    return {
        "smallest": f"{smallest['variant']}, {short(smallest['size_mb'])} MB, {_loss(smallest, points)}{_ties(small, smallest, 'size')}",
        "fastest": f"{fastest['variant']}, {_speed(fastest)}, {_loss(fastest, points)}{_ties(fast, fastest, 'speed')}",
    }


def _why_none(rows: pd.DataFrame, points: float) -> str:
    if (rows["seeds_of_one_class"] > 0).all():
        return f"every variant predicts the same for every {rows['unit'].iloc[0]}"
    return f"no variant loses at most {in_words(points)} and passes the quality gate"


def _fastest_end(rows: pd.DataFrame) -> pd.Series:
    return rows["speedup_ci_high"].fillna(rows["speedup"])


def _speed(row: pd.Series) -> str:
    if row["is_baseline"]:
        return "nothing is surely faster"
    return f"{row['speedup']:.2f}x ({row['speedup_ci_low']:.2f}–{row['speedup_ci_high']:.2f})"


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
