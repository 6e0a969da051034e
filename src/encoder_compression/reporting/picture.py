"""What all pictures have in common: colours, lines, and how they are saved."""

from collections import Counter
from pathlib import Path

import matplotlib

from encoder_compression.study.chain import Chain, controlled

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 (the backend comes first)

LINES = ["-", "--", ":", "-."]
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]  # Okabe & Ito (2008): readable in colour blindness


def line_style(number: int) -> dict[str, str]:
    """Return the colour and dash of the curve with this number; 24 differ."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[number // len(COLORS) % len(LINES)]}


def save(figure, path: Path) -> None:
    """Write a figure as PNG and as SVG; ``path`` lacks its ending."""
    figure.savefig(f"{path}.png", dpi=130)
    figure.savefig(f"{path}.svg")
    plt.close(figure)


def short_names(variants: list[str]) -> dict[str, str]:
    """Return per variant a name without the step that most begin with, where that tells all apart: ``even3``, ``control of even3``."""
    first = Counter(Chain(variant).first for variant in variants).most_common(1)[0][0]
    names = {variant: _short(variant.removeprefix(f"{first}+")) for variant in variants}
    return names if len(set(names.values())) == len(names) else {variant: variant for variant in variants}


def _short(name: str) -> str:
    return f"control of {Chain.of(map(controlled, Chain(name).steps))}" if Chain(name).has_control else name
