"""What a row shows, as codes and sentences: one rule each, from measured facts alone."""

import math
from collections.abc import Callable

import pandas as pd

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.text import beside, interval, points, signed
from encoder_compression.statistics import ALPHA
from encoder_compression.statistics.loss_budget import EXCEEDED, KEPT, OPEN
from encoder_compression.study.techniques import TECHNIQUES

NO_GAIN = 0.03  # a ratio of times nearer to 1 is no gain that anybody would notice, however sure
MANY_ZEROS = 0.10
SIGNIFICANT = {"gain": "significant", "drop": "significant", "not_significant": "not significant"}


def verdicts(table: pd.DataFrame) -> list[list[Finding]]:
    """Return per row of a `summary.Table.over_seeds` what it shows."""
    rows = [row._asdict() for row in table.itertuples(index=False)]
    return [[finding for rule in RULES if (finding := rule(row, rows))] for row in rows]


def is_different(p: float) -> bool:
    """Say whether a p-value, corrected for its family, shows a difference."""
    return p < ALPHA


def baseline(row: dict, rows: list[dict]) -> Finding | None:
    """Name the row that all others are compared with."""
    return Finding("baseline", "The baseline: all other rows are compared with it.") if row["is_baseline"] else None


def quality(row: dict, rows: list[dict]) -> Finding | None:
    """Say whether the score differs from the baseline's, beyond chance."""
    if row["is_baseline"]:
        return None
    if row["agreement"] == 1:
        return Finding("same_predictions", f"{_title(row)} does not change: it gives the baseline's prediction for every {row['unit']}.")
    kind = kind_of_change(row, "difference", row["p_holm"])
    return Finding(kind, f"{_title(row)} {change_in_points(row, 'difference')}: {SIGNIFICANT[kind]} ({p_in_words(row['p_holm'])}).")


def against_control(row: dict, rows: list[dict]) -> Finding | None:
    """Say what the teacher adds, or what pruning costs, over the same training without it."""
    if pd.isna(row["against_control"]):
        return None
    p = row["against_control_p_holm"]
    kind = kind_of_change(row, "against_control", p)
    what, control = TECHNIQUES[row["technique"]].cause()
    change = f"it {change_in_points(row, 'against_control')} against {control}"
    text = f"Effect of {what[0].lower()}{what[1:]}: {change}: {SIGNIFICANT[kind]} ({p_in_words(p)})."
    return Finding(f"against_control_{kind}", text)


def kind_of_change(row: dict, name: str, p: float) -> str:
    """Return the code of a change by its corrected p-value, which is below 0.05 where its interval leaves 0 out."""
    if not is_different(p):
        return "not_significant"
    return "gain" if row[name] > 0 else "drop"


def budget(row: dict, rows: list[dict]) -> Finding | None:
    """Say whether the budget is kept, and what would settle it where the test split cannot tell."""
    if row["is_baseline"]:
        return None
    allowed = row["allowed_points"]
    most, least = (beside(-100 * row[bound], allowed, 1) for bound in ("change_above", "change_below"))
    within = f"within {points(allowed)}"
    text = {
        KEPT: f"Non-inferior {within}: " + (f"the drop is below {most} points" if float(most) > 0 else "there is no drop"),
        EXCEEDED: f"Not non-inferior {within}: the drop is above {least} points",
        OPEN: f"Non-inferiority {within} is not shown: the drop may reach {most} points",
    }[row["budget"]]
    settled = f" {settling_in_words(row['settled_by'], row['settled_times'], row['seeds'])}" if row["budget"] == OPEN else ""
    return Finding(row["budget"], f"{text} (one-sided 95 % bound).{settled}")


def settling_in_words(kind: str | None, times: float | None, seeds: int) -> str:
    """Return how many seeds, or how many times as many examples, would settle an open budget; see `loss_budget.settling`."""
    if pd.isna(times):
        return "It lies too near to the budget to be settled."
    if kind == "seeds":
        return f"About {math.ceil(times * seeds)} seeds would settle it, if the change stayed."
    return f"A test split {times:.1f} times as large would settle it, if the change stayed."


def standing(row: dict, rows: list[dict]) -> Finding | None:
    """Say of a row that cannot win why, by `standing.exclusions`."""
    if not row["why_excluded"]:
        return None
    return Finding("cannot_win", f"It cannot win: {row['why_excluded']}.", also=tuple(row["excluded_kinds"].split()))


def speed(row: dict, rows: list[dict]) -> Finding | None:
    """Say what compression brings in time, or the runtime where nothing is compressed; or that it brings nothing."""
    if row["is_baseline"]:
        return None
    name = "runtime" if row["runtime_alone"] else "compression"
    kind = _kind_of_speed(row, name)
    return Finding(kind, _speed_in_words(kind, row, name), also=(f"by_{name}",))


def _kind_of_speed(row: dict, name: str) -> str:
    if not is_different(row["speedup_p_holm"]):
        return "speed_not_significant"
    factor = row[f"speedup_{name}"]
    if abs(factor - 1) <= NO_GAIN:
        return "speed_negligible"
    return "faster" if factor > 1 else "slower"


def _speed_in_words(kind: str, row: dict, name: str) -> str:
    ratio = ratio_in_words(row, f"speedup_{name}")
    if kind in ("faster", "slower"):
        total = f"; {ratio_in_words(row, 'speedup')} in all" if _has_other_runtime(row) else ""
        return f"{kind.capitalize()} by {name}: {ratio}{total}."
    reason = f"a difference below {NO_GAIN:.0%} is too little to matter" if kind == "speed_negligible" else "not significant"
    return f"No speedup by {name}: {reason} ({ratio})."


def timed_as(row: dict, rows: list[dict]) -> Finding | None:
    """Say whose times a row shows, where they are not its own."""
    if pd.isna(row["timed_as"]):
        return None
    return Finding("timed_as", f"Timed as {row['timed_as']}, which has the same graph, shapes and number formats.")


def runtime_factor(row: dict, rows: list[dict]) -> Finding | None:
    """Say what the runtime alone brings, where compression brings its own share."""
    if not _has_other_runtime(row):
        return None
    return Finding("runtime_factor", f"The runtime alone brings {ratio_in_words(row, 'speedup_runtime')}.")


def _has_other_runtime(row: dict) -> bool:
    return not (row["is_baseline"] or row["runtime_alone"] or row["speedup_runtime"] == 1)


def ratio_in_words(row: dict, name: str) -> str:
    """Return a ratio with its interval, if it has one: ``1.94x (1.88–2.01)``."""
    return f"{row[name]:.2f}x{interval(row[name + '_ci_low'], row[name + '_ci_high'], '.2f')}"


def zeros(row: dict, rows: list[dict]) -> Finding | None:
    """Say what zeros bring: a smaller file only when it is compressed, and no time on dense kernels where that is measured."""
    share = row["matrix_zeros_share"]
    if not share >= MANY_ZEROS:  # nor where there is no matrix to have a share of
        return None
    file = f"the file shrinks only when compressed (to {row['compressed_mb']:.3g} MB of {row['size_mb']:.3g})"
    text = f"{share:.0%} of the weights of its layers are zero; {file}"
    if not _zeros_save_no_time(row):
        return Finding("sparse", f"{text}.")
    time = f"dense kernels gain nothing ({ratio_in_words(row, 'speedup_compression')})"
    return Finding("sparse", f"{text} and {time}.", also=("zeros_save_no_time",))


def _zeros_save_no_time(row: dict) -> bool:
    """Judge the time of zeros only where nothing else was compressed and nobody disturbed it."""
    alone = row["speedup_depth"] == row["speedup_width"] == row["speedup_precision"] == 1
    return alone and not row["noisy"] and not is_different(row["speedup_p_holm"])


def integer(row: dict, rows: list[dict]) -> Finding | None:
    """Say how much of a quantized graph really runs in integers."""
    share = row["integer_products_share"]
    return Finding("integer_matmuls", f"{share:.0%} of its matrix products run in INT8.") if share > 0 else None


def batches(row: dict, rows: list[dict]) -> Finding | None:
    """Say how many predictions batches change, and the score there."""
    if not row["changed_by_batches"] > 0:
        return None
    changed = f"{row['changed_by_batches']:.3g}{' on average' if row['seeds'] > 1 else ''}"
    where = f"In batches of {row['throughput_batch_size']:.0f}, predictions that differ are {changed}"
    return Finding("batches_change", f"{where}; {row['metric'].replace('_', ' ')} is {row['batched_score']:.1%} there.")


def dominated(row: dict, rows: list[dict]) -> Finding | None:
    """Name a row of the same device that is better or equal in everything and surely smaller or faster."""
    better = [rival for rival in rows if rival is not row and rival["device"] == row["device"] and _beats(rival, row)]
    if not better or row["is_baseline"]:
        return None
    best = max(better, key=lambda rival: rival["score"])["variant"]
    text = f"{best} is no worse in {row['metric']}, time and size, and better in one: there is no reason to take this one."
    return Finding("dominated", text, facts={"by": best})


def _beats(rival: dict, row: dict) -> bool:
    surely = rival["speedup"] if pd.isna(rival["speedup_ci_low"]) else rival["speedup_ci_low"]
    at_best = row["speedup"] if pd.isna(row["speedup_ci_high"]) else row["speedup_ci_high"]
    no_worse = rival["score"] >= row["score"] and rival["size_mb"] <= row["size_mb"] and surely >= row["speedup"]
    clearly = rival["size_mb"] < 0.95 * row["size_mb"] or surely > at_best
    return rival["can_win"] and no_worse and clearly


def noise(row: dict, rows: list[dict]) -> Finding | None:
    """Flag a row during whose measurement other programs kept the machine busy."""
    if not row["noisy"]:
        return None
    if pd.notna(row["clock_gap"]):
        gap = f"by the wall clock its speedup is {row['clock_gap']:.0%} off that by processor time, which is shown"
        return Finding("noisy", f"Other programs disturbed it: {gap}; do not rely on its latencies.")
    share = f"{row['foreign_cpu_share']:.0%}"
    return Finding("noisy", f"Other programs took up to {share} of the processors while it was measured: do not rely on its times.")


Rule = Callable[[dict, list[dict]], Finding | None]
RULES: tuple[Rule, ...] = (
    baseline,
    quality,
    budget,
    against_control,
    standing,
    speed,
    timed_as,
    runtime_factor,
    zeros,
    integer,
    batches,
    dominated,
    noise,
)


def _title(row: dict) -> str:
    return row["metric"].replace("_", " ").capitalize()


def change_in_points(row: dict, name: str) -> str:
    """Return a difference of shares as a sentence goes on: ``drops by 1.3 points (95 % CI -2.9 to +0.4)``."""
    change = row[name] * 100
    low, high = (signed(row[f"{name}_ci_{end}"] * 100) for end in ("low", "high"))
    shown = f"{abs(change):.1f}"
    verb = "changes" if float(shown) == 0 else "rises" if change > 0 else "drops"
    return f"{verb} by {shown} points (95 % CI {low} to {high})"


def p_in_words(value: float) -> str:
    """Return a p-value: ``p = 0.03``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
