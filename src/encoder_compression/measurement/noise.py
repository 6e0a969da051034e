"""What the row that is measured alone, the baseline, tells of the machine's noise before any other is timed."""

import numpy as np

from encoder_compression.statistics import ratios


def line(name: str, launches: list[dict], device: dict) -> str:
    """Return a line for the terminal: the median call, how its median differs from round to round, and what other programs took."""
    medians = [np.median(timed[ratios.clock_of(device)]) for launch in launches for timed in launch["rounds"]]
    foreign = max(launch["foreign_cpu_share"] for launch in launches)
    spread = np.std(medians, ddof=1) / np.median(medians)
    calls = f"{name}: a call takes {np.median(medians):.3g} ms, {spread:.1%} more or less from round to round"
    remedy = "; end them, or rows will be marked as noisy" if foreign > ratios.NOISY_SHARE else ""
    return f"{calls}; other programs took {foreign:.0%} of the machine{remedy}"
