"""The frontier of a contract as a picture: what each row that was tried loses, and what it takes."""

from pathlib import Path

import numpy as np
from adjustText import adjust_text
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullLocator

from encoder_compression.contract.certificate import BUDGET
from encoder_compression.reporting.picture import COLORS, save, short_names
from encoder_compression.statistics.pareto import pareto_front

STYLES = {  # verdict of the gate, or source -> marker, colour, name
    "screened": ("o", "0.7", "screened"),
    "pass": ("o", COLORS[2], "kept"),
    "open": ("s", COLORS[4], "open"),
    "fail": ("X", COLORS[1], "exceeded"),
}
PANELS = {"latency_ms": "latency of one {unit}, p50 (ms, log scale)", "size_mb": "weights and graph on disk (MB, log scale)"}
TICKS = (1, 2, 5)  # times powers of ten


def draw(certificate: dict, path: Path) -> None:
    """Draw how far all that was tried moves the score, against latency and size, with the contract's limits; ``path`` lacks its ending."""
    limits = {clause["clause"]: clause.get("at_most", clause.get("at_least")) for clause in certificate["clauses"]}
    figure, panels = plt.subplots(1, len(PANELS), figsize=(14, 6), sharey=True, layout="constrained")
    for axes, (cost, label) in zip(panels, PANELS.items(), strict=True):
        rows = [row for row in certificate["tried"] if row["difference"] is not None and row[cost]]
        _draw_rows(axes, rows, cost, certificate["delivered"]["variant"])
        _draw_limits(axes, limits.get(cost), limits.get(BUDGET))
        axes.set(xscale="log", xlabel=label.format(unit=certificate["unit"]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(color="0.92")
        axes.margins(0.12)
        figure.draw_without_rendering()  # names are placed in the final layout
        _name_rows(axes, rows, cost, certificate["delivered"]["variant"])
    panels[0].set_ylabel("change of the score against the baseline (points)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(STYLES) + 1)
    figure.suptitle(certificate["experiment"])
    save(figure, path)


def _draw_rows(axes, rows: list[dict], cost: str, delivered: str) -> None:
    for kind, (marker, color, name) in STYLES.items():
        chosen = [row for row in rows if (row["verdict"] or row["source"]) == kind]
        if chosen:
            axes.plot([row[cost] for row in chosen], [100 * row["difference"] for row in chosen], marker, color=color, label=name, zorder=3)
    star = [row for row in rows if row["variant"] == delivered]
    places = [row[cost] for row in star], [100 * row["difference"] for row in star]
    axes.plot(*places, "*", color="black", markersize=18, markerfacecolor="none", label="delivered", linestyle="none", zorder=4)


def _draw_limits(axes, most: float | None, least_change: float | None) -> None:
    """Draw the contract's largest cost and the least change of the score, where it has them."""
    if most is not None:
        axes.axvline(most, color="0.4", linestyle=":", linewidth=1)
    if least_change is not None:
        axes.axhline(100 * least_change, color="0.4", linestyle=":", linewidth=1)


def _name_rows(axes, rows: list[dict], cost: str, delivered: str) -> None:
    """Name the rows that were measured, and those that no other beats in score and cost; certificate.md has the others."""
    names = short_names([row["variant"] for row in rows])
    front = pareto_front(np.array([row[cost] for row in rows]), np.array([row["difference"] for row in rows]))
    named = [row for place, row in enumerate(rows) if row["source"] == "measured" or place in front or row["variant"] == delivered]
    texts = [axes.text(row[cost], 100 * row["difference"], names[row["variant"]], fontsize=8, zorder=5) for row in named]
    costs, changes = [row[cost] for row in rows], [100 * row["difference"] for row in rows]
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6}
    adjust_text(texts, x=costs, y=changes, ax=axes, expand=(1.2, 1.6), force_text=(0.4, 0.8), iter_lim=2000, arrowprops=line)
