"""The saved results of one variant, seed and device, read back."""

import json
import math
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from encoder_compression.run import provenance
from encoder_compression.statistics import quality

SHORT_MS = 1000


class Row:
    """The measurement and the predictions in a row's folder."""

    def __init__(self, folder: Path, task: ModuleType):
        self.folder, self.task = Path(folder), task
        self.measurement = json.loads((self.folder / "measurement.json").read_text(encoding="utf-8"))
        origin = provenance.read(self.folder)
        self.revision, self.hardware, self.packages = (origin[name] for name in ("git", "hardware", "packages"))
        table = pd.read_parquet(self.folder / "predictions.parquet")
        self.labels, self.predictions, self.tokens = (table[name].to_numpy() for name in ("label", "prediction", "tokens"))
        self.groups = table["group"].to_numpy() if "group" in table and table["group"].nunique() > 1 else None
        self.group_count = table["group"].nunique() if "group" in table else None
        self.logits = np.stack(table["logits"]) if "logits" in table else None
        batched = "batched_prediction" if "batched_prediction" in table else "prediction"
        self.batched_predictions = table[batched].to_numpy()
        self._replicates: dict[str, np.ndarray] = {}

    @property
    def machine(self) -> str:
        """The machine on which the row was measured."""
        hardware = self.hardware
        parts = [hardware["processor"], f"{hardware['cores']} cores", f"{hardware['memory_gb']} GB", *hardware["gpus"], *hardware["isa"]]
        return ", ".join(parts)

    @property
    def units(self) -> int:
        """How many are resampled: examples, or groups of those that belong together."""
        return len(self.labels) if self.groups is None else self.group_count

    def score(self, metric: str) -> float:
        """Return the score of the saved predictions on the test split."""
        return quality.score(self.task, metric, self.labels, self.predictions)

    def batched_score(self, metric: str) -> float:
        """Return the score of the predictions in batches of the best throughput."""
        return quality.score(self.task, metric, self.labels, self.batched_predictions)

    @cached_property
    def changed_by_batches(self) -> int:
        """How many examples get another prediction in those batches than alone."""
        pairs = zip(self.predictions, self.batched_predictions, strict=True)
        return sum(not np.array_equal(alone, batched) for alone, batched in pairs)

    @cached_property
    def right(self) -> np.ndarray | None:
        """Which examples of the test split got a right prediction; None where that is no yes or no."""
        return self.task.right(self.labels, self.predictions)

    def replicates(self, metric: str) -> np.ndarray:
        """Return the score on bootstrap resamples of the test split [resamples], the same resamples for all rows.

        Examples that belong together, such as the questions on one article, are resampled together.
        """
        if metric not in self._replicates:
            self._replicates[metric] = quality.score_replicates(self.task, metric, self.labels, self.predictions, groups=self.groups)
        return self._replicates[metric]

    @cached_property
    def latencies_ms(self) -> np.ndarray:
        """All timed calls with one example."""
        return self.samples("latencies_ms")

    def samples(self, name: str) -> np.ndarray:
        """Return what every timed call recorded under a name."""
        return np.concatenate([round_of_calls[name] for launch in self.measurement["launches"] for round_of_calls in launch["rounds"]])

    @cached_property
    def log_ratios(self) -> np.ndarray:
        """Per start, the median over its calls of log(partner's time / this row's time) on the same example; 0 if alone.

        One thread of a CPU is timed by the processor's clock, which stands still while another program runs there.
        """
        return self.log_ratios_of("processor_ms" if self.is_of_one_thread else "latencies_ms")

    def log_ratios_of(self, samples: str) -> np.ndarray:
        """Return the same of the samples under a name: "end_to_end_ms"."""
        return np.array([_median_log_ratio(launch["rounds"], samples) for launch in self.measurement["launches"]])

    @property
    def is_of_one_thread(self) -> bool:
        """Whether the processor's clock tells the time of a call."""
        device = self.measurement["device"]
        return device["hardware"] == "cpu" and device["threads"] == 1

    @property
    def clock_gap(self) -> float:
        """How far the ratios by the wall clock lie from those by the processor's, as a share; NaN where the latter tells no ratio.

        A slow call is preempted more often than a fast one, so other programs flatter whatever is faster.
        """
        if not (self.is_of_one_thread and self.has_partner):
            return math.nan
        return float(np.expm1(np.abs(np.median(self.log_ratios_of("latencies_ms") - self.log_ratios))))

    @property
    def has_partner(self) -> bool:
        """Whether the row was timed in turns with another."""
        return self.measurement["launches"][0]["rounds"][0]["partner_latencies_ms"] is not None

    @property
    def has_raw_texts(self) -> bool:
        """Whether the calls were timed from raw text to answer, too."""
        return "end_to_end_ms" in self.measurement["launches"][0]["rounds"][0]

    @property
    def foreign_cpu_share(self) -> float:
        """The largest share of the machine's processor time that others took after one of the starts.

        NaN where the timed calls took too little time to tell: the kernel counts in ticks of 10 ms.
        """
        if self.latencies_ms.sum() < SHORT_MS:
            return math.nan
        return max(launch["foreign_cpu_share"] for launch in self.measurement["launches"])

    @cached_property
    def throughput(self) -> tuple[float, int]:
        """The most examples per second in length-sorted batches, and the batch size that gave it."""
        return max(
            (throughput["examples"] / throughput["seconds"], throughput["batch_size"]) for throughput in self.measurement["throughput"]
        )

    @property
    def padding_cost(self) -> float:
        """How many times as long the smallest batches take when all are padded to the study's longest input."""
        return self.measurement["padded_seconds"] / self.measurement["throughput"][0]["seconds"]


def _median_log_ratio(rounds: list[dict], clock: str) -> float:
    if rounds[0][f"partner_{clock}"] is None:
        return 0.0
    row_ms, partner_ms = (np.concatenate([round_of_calls[side] for round_of_calls in rounds]) for side in (clock, f"partner_{clock}"))
    return float(np.median(np.log(partner_ms / row_ms)))
