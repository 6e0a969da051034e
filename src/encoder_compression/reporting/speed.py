"""Speed-ups over the baseline with intervals, split into what the runtime and what each kind of step brings."""

import numpy as np

from encoder_compression.reporting.rows import Row
from encoder_compression.statistics import intervals
from encoder_compression.statistics.intervals import Estimate
from encoder_compression.study.techniques import TECHNIQUES


class Speed:
    """The speed of rows, as `study.Study.table_rows` names them; ``found`` maps folders to their saved results."""

    def __init__(self, rows: list[dict], saved_rows: dict[str, Row]):
        self.saved_rows = saved_rows
        self.pooled = {device: self._pool([row for row in rows if row["device"] == device]) for device in {row["device"] for row in rows}}

    def _pool(self, rows: list[dict]) -> tuple[float, float]:
        """Return the variance of log ratios between starts, over all rows of a device, and its degrees of freedom."""
        folders = {row[key] for row in rows for key in ("folder", "same_runtime")}
        timed = [self.saved_rows[folder] for folder in sorted(folders)]
        repeats = [row.log_ratios for row in timed if row.has_partner and row.timed_as is None]  # each start counts once
        return intervals.pooled_variance(repeats) if repeats else (0.0, np.inf)

    def spread(self, device: str) -> float:
        """Return the standard deviation of a ratio between two starts of the same programs on a device, as a share."""
        return float(np.sqrt(self.pooled[device][0]))

    def runtime(self, rows: list[dict]) -> Estimate:
        """Return the log of what the runtime alone brings: the baseline variant in it against the baseline."""
        return self._ratio(rows, [row["same_runtime"] for row in rows])

    def compression(self, rows: list[dict]) -> Estimate:
        """Return the log of what compression brings, against the baseline variant in the same runtime."""
        if rows[0]["folder"] == rows[0]["same_runtime"]:
            return Estimate(0.0, 0.0, np.inf)
        return self._ratio(rows, [row["folder"] for row in rows])

    def factors(self, rows: list[dict]) -> dict[str, float]:
        """Return what each kind of step brings, as ratios whose product is the speed-up by compression.

        A step's share is the ratio of its chain's time to that of the chain before it, in the same runtime.
        """
        factors = dict.fromkeys((f"speedup_{technique.speedup_factor}" for technique in TECHNIQUES.values()), 1.0)
        before = 0.0
        for chain, technique in rows[0]["chain"].items():
            folders = [row["folder_of"][chain] for row in rows]
            now = 0.0 if folders[0] == rows[0]["same_runtime"] else self._ratio(rows, folders).mean
            factors[f"speedup_{TECHNIQUES[technique].speedup_factor}"] *= float(np.exp(now - before))
            before = now
        return factors

    def columns(self, rows: list[dict]) -> dict[str, float]:
        """Return the speed-up, its two factors with their intervals, and the factors by kind of step."""
        runtime, compression = self.runtime(rows), self.compression(rows)
        parts = {"speedup": runtime + compression, "speedup_runtime": runtime, "speedup_compression": compression}
        named = [with_interval(name, estimate) for name, estimate in parts.items()]
        return {key: value for part in named for key, value in part.items()} | self.factors(rows) | {"speedup_fresh": self.fresh(rows)}

    def fresh(self, rows: list[dict]) -> float:
        """Return the speed-up of calls with empty caches, runtime times compression; it has no interval, as one start measures it."""
        folders = [{row["same_runtime"], row["folder"]} for row in rows]
        return float(np.exp(np.mean([sum(self.saved_rows[folder].fresh_log_ratio for folder in both) for both in folders])))

    def p_value(self, rows: list[dict]) -> float | None:
        """Return the p-value that compression brings nothing, or of the runtime for the baseline variant; None for the baseline."""
        if rows[0]["folder"] == rows[0]["baseline"]:
            return None
        alone = rows[0]["folder"] == rows[0]["same_runtime"]
        return (self.runtime(rows) if alone else self.compression(rows)).p_value()

    def _ratio(self, rows: list[dict], folders: list[str]) -> Estimate:
        """Return the log of the partner's time over a row's, from all starts of all seeds; exactly 0 for a row without partner."""
        saved_rows = [self.saved_rows[folder] for folder in folders]
        if not any(saved.has_partner for saved in saved_rows):
            return Estimate(0.0, 0.0, np.inf)
        return intervals.of_repeats(np.concatenate([saved.log_ratios for saved in saved_rows]), self.pooled[rows[0]["device"]])


def with_interval(name: str, logarithm: Estimate) -> dict[str, float]:
    """Return a ratio and its 95 % interval under ``name``, ``name_ci_low`` and ``name_ci_high``; None for what is 1 by definition."""
    low, high = np.exp(logarithm.interval()).tolist() if logarithm.variance else (None, None)
    return {name: float(np.exp(logarithm.mean)), f"{name}_ci_low": low, f"{name}_ci_high": high}


def length_factor(row: Row) -> float | None:
    """Return how much faster real lengths run than one input of the longest length of the grid; None without a grid."""
    singles = [cell for cell in row.measurement["grid"] if cell["batch_size"] == 1]
    if not singles:
        return None
    longest = max(singles, key=lambda cell: cell["length"])
    return float(np.median(longest["latencies_ms"]) / np.mean(row.latencies_ms))
