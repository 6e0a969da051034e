"""Where a call's milliseconds go, as bars."""

from pathlib import Path

from matplotlib import pyplot as plt

from encoder_compression.reporting.picture import save
from encoder_compression.reporting.profiles import COLORS, SHOWN


def plot_profiles(bars: list[dict], path: Path) -> None:
    """Draw a stacked bar per variant and device: the milliseconds of a call by kind of operator. ``bars`` are of `profiles.read`."""
    figure, axes = plt.subplots(figsize=(10, 1.6 + 0.5 * len(bars)), layout="constrained")
    names = [f"{bar['variant']}\n{bar['device']}" for bar in bars]
    for kind, color in COLORS.items():
        takes = [[(part["kind"], part["milliseconds"]) for part in bar["parts"]] for bar in bars]
        widths = [dict(parts).get(kind, 0) for parts in takes]
        starts = [sum(ms for before, ms in parts if _is_before(before, kind)) for parts in takes]
        if any(widths):
            axes.barh(names, widths, left=starts, color=color, label=kind)
    axes.invert_yaxis()
    axes.set(xlabel=f"milliseconds of a call with an input of {SHOWN} length", title="where a call's milliseconds go")
    figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    save(figure, path)


def _is_before(kind: str, later: str) -> bool:
    kinds = list(COLORS)
    return kinds.index(kind) < kinds.index(later)
