"""What a release gate asks of a row's cost: milliseconds of a call, MB of files, MB of memory."""

from collections.abc import Callable

import numpy as np

from encoder_compression.reporting.rows import Row
from encoder_compression.reporting.summary import Table
from encoder_compression.statistics import intervals

Key = tuple[str, str]  # variant, device


def latency_ms(table: Table, options: dict) -> dict[Key, dict]:
    """Return the median milliseconds of a call with one example, with bounds over starts of the program and over seeds.

    As rows on one device share the noise of their starts, their spread is pooled, as for speed-ups; it is one of logarithms.
    """
    groups = {key: table.saved(rows) for key, rows in table.groups.items()}
    pools = {device: _pool([row for key, rows in groups.items() if key[1] == device for row in rows]) for _, device in groups}
    return {key: _latency(rows, pools[key[1]]) for key, rows in groups.items()}


def size_mb(table: Table, options: dict) -> dict[Key, dict]:
    """Return the MB of the artifact's files, and those of the seeds of least and most."""
    return _over_seeds(table, "size_mb")


def memory_mb(table: Table, options: dict) -> dict[Key, dict]:
    """Return the peak MB of a running model above its imported runtime, and those of the seeds of least and most."""
    return _over_seeds(table, "memory_run_mb")


COSTS: dict[str, Callable[[Table, dict], dict[Key, dict]]] = {"latency_ms": latency_ms, "size_mb": size_mb, "memory_mb": memory_mb}


def _log_medians(row: Row) -> np.ndarray:
    """Return the logarithm of the median call [starts]."""
    starts = row.measurement["launches"]
    return np.log([np.median(np.concatenate([timed["latencies_ms"] for timed in start["rounds"]])) for start in starts])


def _pool(rows: list[Row]) -> tuple[float, float]:
    """Return the variance of log medians between starts, and its degrees of freedom; rows that took over times count once."""
    return intervals.pooled_variance([_log_medians(row) for row in rows if row.timed_as is None])


def _latency(rows: list[Row], pool: tuple[float, float]) -> dict:
    """Return the median of the tables with its bounds."""
    value = float(np.mean([np.median(row.latencies_ms) for row in rows]))
    low, high = bounds_of_starts(value, np.concatenate([_log_medians(row) for row in rows]), pool)
    return {"value": value, "low": low, "high": high}


def bounds_of_starts(value: float, log_medians: np.ndarray, pool: tuple[float, float]) -> tuple[float, float]:
    """Return the one-sided 95 % bounds of a latency, of the logarithms of each start's median [starts] and their pooled variance."""
    low, high = np.exp(np.subtract(intervals.of_repeats(log_medians, pool).interval(2 * intervals.ALPHA), log_medians.mean()))
    return value * float(low), value * float(high)


def _over_seeds(table: Table, name: str) -> dict[Key, dict]:
    """Return a figure that has no sampling error worth a bound: the mean over seeds, the least and the most."""
    by_row = table.by_seed.groupby(["variant", "device"])[name]
    return {key: {"value": float(each.mean()), "low": float(each.min()), "high": float(each.max())} for key, each in by_row}
