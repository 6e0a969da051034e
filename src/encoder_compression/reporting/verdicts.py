"""What a row shows, in sentences: one rule each, from measured facts alone."""

from collections.abc import Callable

import pandas as pd

from encoder_compression.reporting.text import interval
from encoder_compression.statistics.intervals import ALPHA
from encoder_compression.study.techniques import TECHNIQUES

NO_GAIN = 0.03  # a ratio of times nearer to 1 is no gain that anybody would notice, however sure
MANY_ZEROS = 0.10


def verdicts(table: pd.DataFrame) -> list[str]:
    """Return per row of a `summary.Table.over_seeds` its sentences."""
    rows = [row._asdict() for row in table.itertuples(index=False)]
    return [" ".join(sentence for rule in RULES if (sentence := rule(row, rows))) for row in rows]


def is_different(p: float) -> bool:
    """Say whether a p-value, corrected for the rows of the table, shows a difference."""
    return p < ALPHA


def baseline(row: dict, rows: list[dict]) -> str | None:
    """Name the row that all others are compared with."""
    return "The baseline: all other rows are compared with it." if row["is_baseline"] else None


def quality(row: dict, rows: list[dict]) -> str | None:
    """Say whether the score differs from the baseline's, beyond chance."""
    if row["is_baseline"]:
        return None
    if row["agreement"] == 1:
        return f"{_title(row)} is not distinguishable: it gives the baseline's prediction for every {row['unit']}."
    change = change_in_points(row, "difference")
    clear = how_clear(row, "difference", row["p_holm"], "a gain", "a loss", " from the baseline")
    return f"{_title(row)} {change}: {clear} ({p_in_words(row['p_holm'])})."


def against_control(row: dict, rows: list[dict]) -> str | None:
    """Say what the teacher adds, or what pruning costs, over the same training without it."""
    if pd.isna(row["against_control"]):
        return None
    p = row["against_control_p_holm"]
    clear = how_clear(row, "against_control", p, "a gain", "a loss")
    what, control = TECHNIQUES[row["technique"]].cause()
    return f"{what} changes it by {change_in_points(row, 'against_control')} against {control}: {clear} ({p_in_words(p)})."


def how_clear(found: dict, name: str, p: float, more: str, less: str, reference: str = "") -> str:
    """Say what a difference is, by its p-value corrected for all rows; where its own interval alone tells more, say both."""
    told = more if found[name] > 0 else less
    if is_different(p):
        return told
    if found[f"{name}_ci_low"] > 0 or found[f"{name}_ci_high"] < 0:
        return f"{told} by itself, but not beyond chance among so many rows; more seeds can tell"
    return f"not distinguishable{reference}"


def standing(row: dict, rows: list[dict]) -> str | None:
    """Say of a row that cannot win why, by `standing.exclusions`."""
    return f"It cannot win: {row['why_excluded']}." if row["why_excluded"] else None


def speed(row: dict, rows: list[dict]) -> str | None:
    """Say what compression brings in time, or that it brings nothing; and what the runtime alone brings."""
    if row["is_baseline"]:
        return None
    name = "runtime" if row["runtime_alone"] else "compression"
    factor, ratio = row[f"speedup_{name}"], ratio_in_words(row, f"speedup_{name}")
    other_runtime = (
        ""
        if row["runtime_alone"] or row["speedup_runtime"] == 1
        else f" The runtime alone brings {ratio_in_words(row, 'speedup_runtime')}."
    )
    if not is_different(row["speedup_p_holm"]):
        reference = "the baseline" if row["runtime_alone"] else "the baseline in the same runtime"
        return f"No gain in speed by {name}: not distinguishable from {reference} ({ratio}).{other_runtime}"
    if abs(factor - 1) <= NO_GAIN:
        return f"No gain in speed by {name}: a difference below {NO_GAIN:.0%} is too little to matter ({ratio}).{other_runtime}"
    total = f"; {ratio_in_words(row, 'speedup')} in all" if other_runtime else ""
    return f"{'Faster' if factor > 1 else 'Slower'} by {name}: {ratio}{total}.{other_runtime}"


def ratio_in_words(row: dict, name: str) -> str:
    """Return a ratio with its interval, if it has one: ``1.94x (1.88–2.01)``."""
    return f"{row[name]:.2f}x{interval(row[name + '_ci_low'], row[name + '_ci_high'], '.2f')}"


def zeros(row: dict, rows: list[dict]) -> str | None:
    """Say what zeros bring: a smaller file only when it is compressed, and no time on dense kernels where that is measured."""
    share = row["matrix_zeros_share"]
    if not share >= MANY_ZEROS:  # nor where there is no matrix to have a share of
        return None
    file = f"the file shrinks only when compressed (to {row['compressed_mb']:.3g} MB of {row['size_mb']:.3g})"
    return f"{share:.0%} of the weights of its layers are zero; {file}{_time_of_zeros(row)}."


def _time_of_zeros(row: dict) -> str:
    """Speak of the time of zeros only where nothing else was compressed and nobody disturbed it."""
    alone = row["speedup_depth"] == row["speedup_width"] == row["speedup_precision"] == 1
    if not alone or row["noisy"] or is_different(row["speedup_p_holm"]):
        return ""
    return f" and dense kernels gain nothing ({ratio_in_words(row, 'speedup_compression')})"


def integer(row: dict, rows: list[dict]) -> str | None:
    """Say how much of a quantized graph really runs in integers."""
    share = row["integer_products_share"]
    return f"{share:.0%} of its matrix products run in INT8." if share > 0 else None


def beaten(row: dict, rows: list[dict]) -> str | None:
    """Name a row of the same device that is better or equal in everything and surely smaller or faster."""
    better = [other for other in rows if other is not row and other["device"] == row["device"] and _beats(other, row)]
    if not better or row["is_baseline"]:
        return None
    best = max(better, key=lambda other: other["score"])
    return f"{best['variant']} is no worse in {row['metric']}, time and size, and better in one: there is no reason to take this one."


def _beats(other: dict, row: dict) -> bool:
    surely = other["speedup"] if other["is_baseline"] else other["speedup_ci_low"]
    no_worse = other["score"] >= row["score"] and other["size_mb"] <= row["size_mb"] and surely >= row["speedup"]
    clearly = other["size_mb"] < 0.95 * row["size_mb"] or surely > row["speedup_ci_high"]
    return other["can_win"] and no_worse and clearly


def noise(row: dict, rows: list[dict]) -> str | None:
    """Flag a row during whose measurement other programs kept the machine busy."""
    if not row["noisy"]:
        return None
    return f"Other programs took up to {row['foreign_cpu_share']:.0%} of the processors while it was measured: do not rely on its times."


Rule = Callable[[dict, list[dict]], str | None]
RULES: tuple[Rule, ...] = (baseline, quality, against_control, standing, speed, zeros, integer, beaten, noise)


def _title(row: dict) -> str:
    return row["metric"].replace("_", " ").capitalize()


def change_in_points(found: dict, name: str) -> str:
    """Return a difference of shares in points, with its interval: ``-1.3 points (-2.9 to +0.4)``."""
    return f"{found[name] * 100:+.1f} points ({found[name + '_ci_low'] * 100:+.1f} to {found[name + '_ci_high'] * 100:+.1f})"


def p_in_words(value: float) -> str:
    """Return a p-value: ``p = 0.03``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
