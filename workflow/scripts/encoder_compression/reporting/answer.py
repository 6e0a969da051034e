"""The engineer's question: on each device, which variant is smallest and which is fastest within a budget of quality."""

import pandas as pd


def answers(table: pd.DataFrame, points: float) -> list[dict[str, str]]:
    """Return per device {"device", "smallest", "fastest"}: sentences from a `summary.Table.over_seeds`.

    A row may lose at most ``points`` hundredths of the score to the baseline, and must pass the quality gate.
    """
    return [{"device": device, **_answer(rows, points)} for device, rows in table.groupby("device", sort=False)]


def _answer(rows: pd.DataFrame, points: float) -> dict[str, str]:
    fitting = rows[rows["passes_gate"] & (rows["difference"].astype(float).fillna(0) >= -points / 100)]
    if fitting.empty:
        nothing = f"no variant loses at most {points:g} points and passes the quality gate"
        return {"smallest": nothing, "fastest": nothing}
    smallest, fastest = fitting.loc[fitting["size_mb"].idxmin()], fitting.loc[fitting["speedup"].idxmax()]
    low, high = fastest["speedup_ci_low"], fastest["speedup_ci_high"]
    return {
        "smallest": f"{smallest['variant']}, {smallest['size_mb']:.1f} MB, {_loss(smallest, points)}",
        "fastest": f"{fastest['variant']}, {fastest['speedup']:.2f}x ({low:.2f}–{high:.2f}), {_loss(fastest, points)}",
    }


def _loss(row: pd.Series, points: float) -> str:
    if row["is_baseline"]:
        return "the baseline itself"
    low, high = (row[f"difference_ci_{end}"] * 100 for end in ("low", "high"))
    change = f"{row['metric']} {row['difference'] * 100:+.1f} points ({low:+.1f} to {high:+.1f})"
    return f"{change}; the interval reaches beyond the budget" if low < -points else change
