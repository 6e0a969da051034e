"""Pictures of an experiment, drawn from its tables and its training curves; each as PNG and as SVG."""

from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from adjustText import adjust_text

from encoder_compression.reporting import profiles as profiled
from encoder_compression.statistics.pareto import pareto_front
from encoder_compression.study.chain import Chain, controlled, place_of

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 (the backend comes first)
from matplotlib.ticker import LogLocator, NullLocator  # noqa: E402

MARKERS = "osD^vP*X"
LINES = ["-", "--", ":", "-."]
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]  # Okabe & Ito (2008): readable in colour blindness
FAILED = "0.7"
TICKS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # in a decade: close enough that every picture has some, far enough to be read
IN_SIGHT = 0.7  # share of the baseline's score below which a row is named under the picture, not drawn: it would flatten all others
MLPERF = (0.99, 0.999)  # shares of the FP32 score that MLPerf's two quality targets ask for
CURVES = {
    "loss": "training loss (weighted: compare within a step)",
    "eval_score": "validation score",
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens per second",
}
# The last one on validation, and of the labels alone.
TERMS = ("loss", "loss_hard", "loss_soft", "loss_hidden", "loss_relation", "eval_loss")


def plot(*, aggregate: Path, models: list[Path], profiles: list[Path], folder: Path) -> dict:
    """Draw quality against latency and against size, the ``profiles``, and the training curves that lie beside ``models``; returns facts.

    ``aggregate`` is the CSV of `summary.Table.over_seeds`; rows that cannot win are grey. Curves are
    drawn for each step alone, in training_{variant}_{seed}, and over each other, in training.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(aggregate)
    _plot_tradeoff(table, "latency_ms_p50", f"latency of one {table['unit'][0]}, p50 (ms, log scale)", folder / "quality_latency")
    _plot_tradeoff(table, "size_mb", "weights and graph on disk (MB, log scale)", folder / "quality_size")
    curves = {(place_of(model).chain, f"seed{place_of(model).seed}"): pd.read_csv(Path(model).parent / "training.csv") for model in models}
    curves = dict(sorted(curves.items()))
    _plot_curves(curves, folder / "training")
    for (variant, seed), curve in curves.items():
        _plot_step(f"{variant}, {seed}", curve, folder / f"training_{variant}_{seed}")
    if profiles:
        _plot_profiles([profiled.read(profile) for profile in profiles], folder / "profile")
    return {"pictures": sorted(path.name for path in folder.glob("*.png"))}


def plot_search(table: pd.DataFrame, *, chosen: int, objectives: list[str], title: str, path: Path) -> None:
    """Draw the trials of a search: score by trial with the best so far, or against the second objective with the Pareto front.

    ``table`` has the columns trial, state, score, pareto and that of the second objective; ``path`` lacks its ending.
    """
    across = objectives[1] if len(objectives) > 1 else "trial"
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    styles = {"complete": ("o", COLORS[0], "trial"), "pruned": ("s", FAILED, "pruned early, its last score")}
    for state, rows in table[table["state"].isin(styles)].groupby("state"):
        marker, color, label = styles[state]
        axes.plot(rows[across], rows["score"] * 100, marker, color=color, label=label)
    complete = table[table["state"] == "complete"]
    front = complete[complete["pareto"]].sort_values(across) if len(objectives) > 1 else complete.assign(score=complete["score"].cummax())
    label = "Pareto front" if len(objectives) > 1 else "best so far"
    axes.step(front[across], front["score"] * 100, where="post", color="0.4", linestyle="--", label=label)
    best = table[table["trial"] == chosen]
    axes.plot(best[across], best["score"] * 100, "*", color=COLORS[1], markersize=14, label="chosen")
    axes.set(xlabel=across if across == "trial" else f"{across} per token", ylabel="score on validation (%)", title=title)
    axes.grid(color="0.92")
    axes.legend()
    _save(figure, path)


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
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.12)
    axes.set(xlabel=label, ylabel=f"{table['metric'][0]} on test (%), bars: 95 % interval", title=table["experiment"][0])
    axes.grid(color="0.92")
    figure.legend(loc="outside lower center", ncols=4)
    figure.draw_without_rendering()  # names are placed in the final layout
    _name_points(axes, table, cost)
    _save(figure, path)


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
    names = named["variant"].map(_short_names(list(table["variant"])))
    places = zip(named[cost], named["score"] * 100, names, strict=True)
    texts = [axes.text(*place, fontsize=8, zorder=4) for place in places]
    forces = {"expand": (1.2, 1.6), "force_text": (0.4, 0.8), "iter_lim": 2000}
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6}
    adjust_text(texts, x=table[cost].to_numpy(), y=table["score"].to_numpy() * 100, ax=axes, **forces, arrowprops=line)


def _short_names(variants: list[str]) -> dict[str, str]:
    """Return per variant a name without the step that most begin with, where that tells all apart: ``even3``, ``control of even3``."""
    first = Counter(Chain(variant).first for variant in variants).most_common(1)[0][0]
    names = {variant: _short(variant.removeprefix(f"{first}+")) for variant in variants}
    return names if len(set(names.values())) == len(names) else {variant: variant for variant in variants}


def _short(name: str) -> str:
    return f"control of {Chain.of(map(controlled, Chain(name).steps))}" if Chain(name).has_control else name


def _plot_curves(curves: dict[tuple[str, str], pd.DataFrame], path: Path) -> None:
    """Draw all curves over each other: a colour and dash per variant, a line per seed."""
    figure, panels = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    variants = list(dict.fromkeys(variant for variant, _ in curves))
    for axes, (column, label) in zip(panels.flat, CURVES.items(), strict=True):
        for (variant, _), curve in curves.items():
            number = variants.index(variant)
            color, line = COLORS[number % len(COLORS)], LINES[number // len(COLORS) % len(LINES)]
            _draw(axes, curve, column, color=color, linestyle=line, label=variant)
        _label(axes, label)
    entries = dict(zip(*reversed(panels[0, 0].get_legend_handles_labels()), strict=True))  # one for all seeds of a variant
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3, fontsize=8)
    _save(figure, path)


def _plot_step(name: str, curve: pd.DataFrame, path: Path) -> None:
    figure, panels = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for axes, (column, label) in zip(panels.flat, CURVES.items(), strict=True):
        terms = [term for term in TERMS if column == "loss" and term in curve and curve[term].notna().any()] or [column]
        for number, term in enumerate(terms):
            name = term.replace("eval", "validation").replace("_", " ")
            _draw(axes, curve, term, color=COLORS[number], linestyle=LINES[number % len(LINES)], label=name)
        if len(terms) > 1:
            axes.legend(fontsize=8)
        _label(axes, label)
    figure.suptitle(name)
    _save(figure, path)


def _plot_profiles(bars: list[dict], path: Path) -> None:
    """Draw a stacked bar per variant and device: the milliseconds of a call by kind of operator."""
    figure, axes = plt.subplots(figsize=(10, 1.6 + 0.5 * len(bars)), layout="constrained")
    names = [f"{bar['variant']}\n{bar['device']}" for bar in bars]
    for kind, color in profiled.COLORS.items():
        takes = [[(part["kind"], part["milliseconds"]) for part in bar["parts"]] for bar in bars]
        widths = [dict(parts).get(kind, 0) for parts in takes]
        starts = [sum(ms for before, ms in parts if _is_before(before, kind)) for parts in takes]
        if any(widths):
            axes.barh(names, widths, left=starts, color=color, label=kind)
    axes.invert_yaxis()
    axes.set(xlabel=f"milliseconds of a call with an input of {profiled.SHOWN} length", title="where a call's milliseconds go")
    figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    _save(figure, path)


def _is_before(kind: str, later: str) -> bool:
    kinds = list(profiled.COLORS)
    return kinds.index(kind) < kinds.index(later)


def _draw(axes, curve: pd.DataFrame, column: str, **style) -> None:
    known = curve.dropna(subset=[column])
    axes.plot(known["epoch"], known[column], marker="o", markersize=3, **style)


def _label(axes, label: str) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(left=0)
    axes.grid(color="0.92")
    axes.set(xlabel="epoch", ylabel=label)


def _save(figure, path: Path) -> None:
    figure.savefig(f"{path}.png", dpi=130)
    figure.savefig(f"{path}.svg")
    plt.close(figure)
