"""Pictures of an experiment, drawn from its summary and its training curves."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from adjustText import adjust_text

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 (the backend comes first)

MARKERS = "osD^vP*X"
LINES = ["-", "--", ":", "-."]
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]  # Okabe & Ito (2008): readable in colour blindness


def plot(*, summary: Path, models: list[Path], folder: Path) -> dict:
    """Draw quality against latency and against size, and the training curves that lie beside ``models``; returns facts.

    Each picture is written as PNG and as SVG.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(summary)
    _plot_tradeoff(table, "latency_ms_p50", "latency of one sentence, p50 (ms, log scale)", folder / "quality_latency")
    _plot_tradeoff(table, "size_mb", "weights and graph on disk (MB, log scale)", folder / "quality_size")
    _plot_curves([Path(model).parent / "training.csv" for model in models], folder / "training")
    return {"pictures": sorted(path.name for path in folder.glob("*.png"))}


def pareto_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the indices of the points that no other point beats in both, by rising cost: cheapest first."""
    order = np.lexsort((-score, cost))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], score[order][:-1]]))
    return order[score[order] > best_before]


def _plot_tradeoff(table: pd.DataFrame, cost: str, label: str, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(10, 6.5), layout="constrained")
    percent = table[["score", "score_ci_low", "score_ci_high"]] * 100
    for number, (device, rows) in enumerate(table.groupby("device", sort=False)):
        points = percent.loc[rows.index]
        spread = [points["score"] - points["score_ci_low"], points["score_ci_high"] - points["score"]]
        style = {"fmt": MARKERS[number % len(MARKERS)], "color": COLORS[number % len(COLORS)]}
        axes.errorbar(rows[cost], points["score"], yerr=spread, **style, ecolor="0.85", markersize=8, label=device, zorder=3)
    front = pareto_front(table[cost].to_numpy(), percent["score"].to_numpy())
    line = {"where": "post", "color": "0.4", "linestyle": "--", "zorder": 2}
    axes.step(table[cost].iloc[front], percent["score"].iloc[front], label="Pareto front", **line)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(x=0.12)
    axes.set_xlabel(label)
    axes.set_ylabel(f"{table['metric'][0]} on test (%), bars: 95 % interval")
    axes.set_title(table["experiment"][0])
    axes.grid(color="0.92")
    figure.legend(loc="outside lower center", ncols=4)
    figure.draw_without_rendering()  # names are placed in the final layout
    _name_points(axes, table, cost, percent["score"], front)
    _save(figure, path)


def _name_points(axes, table: pd.DataFrame, cost: str, score: pd.Series, front: np.ndarray) -> None:
    """Write each variant's name near its point, bold on the front, where it covers no other."""
    texts = [
        axes.text(table[cost][index], score[index], name, fontsize=8, fontweight="bold" if index in front else "normal", zorder=4)
        for index, name in enumerate(table["variant"])
    ]
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6}
    adjust_text(texts, x=table[cost].to_numpy(), y=score.to_numpy(), ax=axes, expand=(1.2, 1.6), arrowprops=line)


def _plot_curves(files: list[Path], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for number, file in enumerate(files):
        name, curve = f"{file.parts[-3]} {file.parts[-2]}", pd.read_csv(file)
        color, line = COLORS[number % len(COLORS)], LINES[number // len(COLORS) % len(LINES)]
        for axes, column in ((left, "loss"), (right, "eval_score")):
            known = curve.dropna(subset=[column])
            axes.plot(known["epoch"], known[column], marker="o", markersize=4, color=color, linestyle=line, label=name)
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color="0.92")
    left.set(xlabel="epoch", ylabel="training loss (weighted sum of its terms)")
    right.set(xlabel="epoch", ylabel="validation score")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    _save(figure, path)


def _save(figure, path: Path) -> None:
    figure.savefig(path.with_suffix(".png"), dpi=130)
    figure.savefig(path.with_suffix(".svg"))
    plt.close(figure)
