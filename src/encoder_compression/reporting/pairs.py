"""Variants against each other: paired tests of their scores, and what each costs to train and to run."""

from itertools import combinations

import pandas as pd

from encoder_compression.reporting import comparison
from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.summary import Table
from encoder_compression.reporting.text import short
from encoder_compression.reporting.verdicts import change_in_points, kind_of_change, p_in_words, ratio_in_words

COSTS = [
    "is_baseline", "training_seconds", "training_steps", "trained_parameters", "training_memory_mb", "speedup", "speedup_ci_low",
    "speedup_ci_high", "size_mb",
]  # fmt: skip


def pairs(table: Table, aggregate: pd.DataFrame, groups: list[list[str]]) -> pd.DataFrame:
    """Return a row for every two variants of a group: the first one's score minus the other's, and the costs of both.

    They are compared on the first device that has rows of both. All pairs are one family; costs are columns
    of ``aggregate``, a `summary.Table.over_seeds`, those of the second variant with ``other_`` before their name.
    """
    named = dict.fromkeys(pair for group in groups for pair in combinations(group, 2))
    devices = {pair: _device(table, *pair) for pair in named}
    rows = {pair: tuple(table.saved(table.groups[name, device]) for name in pair) for pair, device in devices.items()}
    tested = comparison.differences(table.metric, rows, family=lambda pair: "pairs")
    described = [_pair(aggregate, *pair, devices[pair]) | {"metric": table.metric} | tested[pair].columns() for pair in named]
    return pd.DataFrame(described, columns=_columns())


def _columns() -> list[str]:
    return ["variant", "other", "device", "metric", *comparison.NO_DIFFERENCE, *COSTS, *(f"other_{name}" for name in COSTS)]


def _device(table: Table, variant: str, other: str) -> str:
    return next(device for name, device in table.groups if name == variant and (other, device) in table.groups)


def _pair(aggregate: pd.DataFrame, variant: str, other: str, device: str) -> dict:
    rows = aggregate[aggregate["device"] == device].set_index("variant")
    costs = {name: rows.loc[variant, name] for name in COSTS} | {f"other_{name}": rows.loc[other, name] for name in COSTS}
    return {"variant": variant, "other": other, "device": device} | costs


def verdicts(frame: pd.DataFrame) -> list[list[Finding]]:
    """Return for each of the `pairs` which of the two is better, if any, and what each costs; codes are about the first one."""
    return [[_quality(row), _training(row), _running(row)] for row in frame.to_dict("records")]


def _quality(row: dict) -> Finding:
    """Say which of the two is better, beyond chance."""
    kind = kind_of_change(row, "difference", row["p_holm"])
    better = {"gain": f"{row['variant']} is better", "drop": f"{row['other']} is better", "not_significant": "not significant"}
    change = f"{row['metric'].replace('_', ' ')} {change_in_points(row, 'difference')}"
    return Finding(kind, f"{row['variant']} against {row['other']}: {change}, {better[kind]} ({p_in_words(row['p_holm'])}).")


def _training(row: dict) -> Finding:
    """Say what their chains cost to train; weights and memory where both were recorded."""
    costs = [_both(row, "training_steps", "{:.0f}", "steps"), _both(row, "training_seconds", "{:.0f}", "s")]
    if not (pd.isna(row["trained_parameters"]) or pd.isna(row["other_trained_parameters"])):
        weights = {name: f"{short(row[name] / 1e6)}M" for name in ("trained_parameters", "other_trained_parameters")}
        costs.append(_both(weights, "trained_parameters", "{}", "weights in the last training"))
        costs.append(f"at most {_both(row, 'training_memory_mb', '{:.0f}', 'MB')}")
    return Finding("training_costs", f"To train: {'; '.join(costs)}.")


def _running(row: dict) -> Finding:
    """Say how fast and how large they are; speeds whose intervals meet are not told apart."""
    second = {name.removeprefix("other_"): value for name, value in row.items() if name.startswith("other_")}
    kind = _kind_of_speed(_ends(row), _ends(second))
    shown = " against ".join("1 (baseline)" if each["is_baseline"] else ratio_in_words(each, "speedup") for each in (row, second))
    sizes = _both({name: short(row[name]) for name in ("size_mb", "other_size_mb")}, "size_mb", "{}", "MB")
    meet = ", not significantly different" if kind == "speed_not_significant" else ""
    return Finding(kind, f"To run: {shown}{meet}; {sizes}.")


def _kind_of_speed(interval: tuple[float, float], other_interval: tuple[float, float]) -> str:
    if interval[0] <= other_interval[1] and other_interval[0] <= interval[1]:
        return "speed_not_significant"
    return "faster" if interval[0] > other_interval[1] else "slower"


def _ends(row: dict) -> tuple[float, float]:
    """Return the interval of a speed-up; where there is none, the ratio is both ends."""
    if row["is_baseline"] or pd.isna(row["speedup_ci_low"]):
        return row["speedup"], row["speedup"]
    return row["speedup_ci_low"], row["speedup_ci_high"]


def _both(row: dict, name: str, form: str, unit: str) -> str:
    """Return a figure of both with its unit, once where they are equal in words."""
    first, second = form.format(row[name]), form.format(row[f"other_{name}"])
    return f"{first} {unit} each" if first == second else f"{first} against {second} {unit}"
