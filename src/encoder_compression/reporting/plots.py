"""Pictures of an experiment and of a search, drawn from their tables; each as PNG and as SVG."""

from pathlib import Path

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullLocator

from encoder_compression.reporting.picture import COLORS, save, short_names
from encoder_compression.reporting.profile_plot import plot_profiles
from encoder_compression.reporting.profiles import read as read_profile
from encoder_compression.reporting.training_plots import plot_trainings
from encoder_compression.statistics.pareto import pareto_front

MARKERS = "osD^vP*X"
FAILED = "0.7"
FINE, COARSE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 2, 5)  # ticks in a decade: that a picture has some, and that they can be read
WIDE = 30  # times the least cost is the largest, from which on fine ticks would cover each other
IN_SIGHT = 0.7  # share of the baseline's score below which a row is named under the picture, not drawn: it would flatten all others
MLPERF = (0.99, 0.999)  # shares of the FP32 score that MLPerf's two quality targets ask for


def plot(*, aggregate: Path, models: list[Path], pretrained: list[Path], profiles: list[Path], folder: Path) -> dict:
    """Draw quality against latency and against size, the ``profiles``, and the training curves that lie beside ``models``; returns facts.

    ``aggregate`` is the CSV of `summary.Table.over_seeds`; rows that cannot win are grey. ``pretrained`` are models of other
    experiments that some of ``models`` start from.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(aggregate)
    _plot_tradeoff(table, "latency_ms_p50", f"latency of one {table['unit'][0]}, p50 (ms, log scale)", folder / "quality_latency")
    _plot_tradeoff(table, "size_mb", "weights and graph on disk (MB, log scale)", folder / "quality_size")
    plot_trainings(models=models, pretrained=pretrained, folder=folder)
    if profiles:
        plot_profiles([read_profile(profile) for profile in profiles], folder / "profile")
    return {"pictures": sorted(path.name for path in folder.glob("*.png"))}


def plot_search(table: pd.DataFrame, *, chosen: int, objectives: list[str], title: str, measured: str, path: Path) -> None:
    """Draw the trials of a search: score by trial with the best so far, or against the second objective with the Pareto front.

    ``table`` has the columns trial, state, score, pareto and that of the second objective, and of folds standard_error, which bars show;
    ``measured`` names the score in percent; ``path`` lacks its ending.
    """
    across = objectives[1] if len(objectives) > 1 else "trial"
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    styles = {"complete": ("o", COLORS[0], "trial"), "pruned": ("s", FAILED, "pruned early, its last score")}
    for state, rows in table[table["state"].isin(styles)].groupby("state"):
        marker, color, label = styles[state]
        errors = rows["standard_error"] * 100 if "standard_error" in rows else None
        axes.errorbar(rows[across], rows["score"] * 100, yerr=errors, fmt=marker, color=color, ecolor="0.8", label=label)
    complete = table[table["state"] == "complete"]
    front = complete[complete["pareto"]].sort_values(across) if len(objectives) > 1 else complete.assign(score=complete["score"].cummax())
    label = "Pareto front" if len(objectives) > 1 else "best so far"
    axes.step(front[across], front["score"] * 100, where="post", color="0.4", linestyle="--", label=label)
    best = table[table["trial"] == chosen]
    axes.plot(best[across], best["score"] * 100, "*", color=COLORS[1], markersize=14, label="chosen")
    axes.set(xlabel=across if across == "trial" else f"{across} per token", ylabel=measured, title=title)
    axes.grid(color="0.92")
    axes.legend()
    save(figure, path)


def _plot_tradeoff(table: pd.DataFrame, cost: str, label: str, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(12, 8), layout="constrained")
    far_below = table["retained"] < IN_SIGHT  # never where no share is defined
    hidden = far_below & ~far_below.all()
    label += _names_below(table[hidden])
    table = table[~hidden].reset_index(drop=True)
    for number, (device, rows) in enumerate(table.groupby("device", sort=False)):
        style = {"fmt": MARKERS[number % len(MARKERS)], "color": COLORS[number % len(COLORS)], "label": device}
        _plot_points(axes, rows[rows["can_win"]], cost, **style)
        _plot_points(axes, rows[~rows["can_win"]], cost, **style | {"color": FAILED, "label": f"{device}, cannot win"})
    _plot_targets(axes, table)
    _plot_front(axes, table, cost)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=_ticks(table[cost])))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.12)
    axes.set(xlabel=label, ylabel=f"{table['metric'][0]} on test (%), bars: 95 % interval", title=table["experiment"][0])
    axes.grid(color="0.92")
    figure.legend(loc="outside lower center", ncols=4)
    figure.draw_without_rendering()  # names are placed in the final layout
    _name_points(axes, table, cost)
    save(figure, path)


def _ticks(costs: pd.Series) -> tuple[float, ...]:
    """Return where in each decade the axis of these costs has ticks."""
    return COARSE if costs.max() > WIDE * costs.min() else FINE


def _names_below(rows: pd.DataFrame) -> str:
    """Return a line that names the variants which are not drawn, with their scores."""
    names = [f"{variant} ({scores.min():.1%})" for variant, scores in rows.groupby("variant", sort=False)["score"]]
    return "\nfar below the picture: " + ", ".join(names) if names else ""


def _plot_points(axes, rows: pd.DataFrame, cost: str, **style) -> None:
    if rows.empty:
        return
    spread = [rows["score"] - rows["score_ci_low"], rows["score_ci_high"] - rows["score"]]
    arms = np.clip(np.array(spread) * 100, 0, None)  # a bootstrap's interval need not hold the score
    axes.errorbar(rows[cost], rows["score"] * 100, yerr=arms, **style, ecolor="0.85", markersize=8, zorder=3)


def _plot_targets(axes, table: pd.DataFrame) -> None:
    """Draw the lines of MLPerf's targets for the baseline's score, where that is above 0."""
    baseline = table[table["is_baseline"] & (table["score"] > 0)]
    for share, side in zip(MLPERF, ("top", "bottom"), strict=True) if len(baseline) else ():
        height = share * baseline["score"].iloc[0] * 100
        axes.axhline(height, color="0.5", linewidth=0.8, linestyle=":", zorder=1)
        text = f" {share * 100:g} % of the baseline"
        axes.annotate(text, (0, height), xycoords=("axes fraction", "data"), va=side, fontsize=7, color="0.4")


def _plot_front(axes, table: pd.DataFrame, cost: str) -> None:
    """Draw the line through the rows that no other beats, of those that may win; one point needs none."""
    passing = table[table["can_win"]]
    front = passing.iloc[pareto_front(passing[cost].to_numpy(), passing["score"].to_numpy())]
    if len(front) > 1:
        axes.step(front[cost], front["score"] * 100, where="post", color="0.4", linestyle="--", zorder=2, label="Pareto front")


def _name_points(axes, table: pd.DataFrame, cost: str) -> None:
    """Write each variant's name near its point, where it covers no other; once where its points lie upon each other."""
    places = table[["variant"]].assign(cost=np.log10(table[cost]).round(1), score=table["score"].round(3))
    named = table[~places.duplicated()]
    names = named["variant"].map(short_names(list(table["variant"])))
    places = zip(named[cost], named["score"] * 100, names, strict=True)
    texts = [axes.text(*place, fontsize=8, zorder=4) for place in places]
    forces = {"expand": (1.2, 1.6), "force_text": (0.4, 0.8), "iter_lim": 2000}
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6}
    adjust_text(texts, x=table[cost].to_numpy(), y=table["score"].to_numpy() * 100, ax=axes, **forces, arrowprops=line)
