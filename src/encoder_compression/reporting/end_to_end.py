"""End-to-end latency of rows, from raw text to answer, beside that of the model alone."""

from functools import cached_property

import numpy as np

from encoder_compression.reporting.rows import Row
from encoder_compression.reporting.speed import Speed, with_interval

COLUMNS = (
    "end_to_end_ms_p50", "outside_model_share", "end_to_end_speedup", "end_to_end_speedup_ci_low", "end_to_end_speedup_ci_high",
)  # fmt: skip


class WholeCalls:
    """The whole calls of a saved row, as `speed.Speed` asks a row about the model's."""

    def __init__(self, row: Row):
        self.row, self.has_partner = row, row.has_partner
        of_processor, by_wall = ("processor_ms", "end_to_end_processor_ms"), ("latencies_ms", "end_to_end_ms")
        self.of_model, self.of_call = of_processor if row.is_of_one_thread else by_wall

    @cached_property
    def log_ratios(self) -> np.ndarray:
        """Per start, the median over its calls of log(partner's whole call / this row's) on the same text, by the clock of the row."""
        return self.row.log_ratios_of(self.of_call)

    @property
    def latency_ms(self) -> float:
        """The median whole call."""
        return float(np.median(self.row.samples("end_to_end_ms")))

    @property
    def share(self) -> float:
        """The median share of a whole call that is not the model, by the clock of the row."""
        return float(np.median(1 - self.row.samples(self.of_model) / self.row.samples(self.of_call)))


class EndToEnd:
    """The end-to-end latency of rows, as `study.Study.table_rows` names them; ``saved_rows`` maps folders to their saved results."""

    def __init__(self, rows: list[dict], saved_rows: dict[str, Row]):
        self.whole_calls = {folder: WholeCalls(row) for folder, row in saved_rows.items() if row.has_raw_texts}
        self.speed = Speed([row for row in rows if self._is_known([row])], self.whole_calls)

    def _is_known(self, rows: list[dict]) -> bool:
        """Say whether rows and what they are compared with were timed from raw text on; blocks of a corpus and old rows were not."""
        return all(row[key] in self.whole_calls for row in rows for key in ("folder", "same_runtime"))

    def columns(self, rows: list[dict]) -> dict[str, float | None]:
        """Return the columns of one row per seed, the means of times over seeds; None where there is no figure, and none of a corpus."""
        if not self.whole_calls:
            return {}
        if not self._is_known(rows):
            return dict.fromkeys(COLUMNS)
        whole = [self.whole_calls[row["folder"]] for row in rows]
        speedup = with_interval("end_to_end_speedup", self.speed.runtime(rows) + self.speed.compression(rows))
        times = (float(np.mean(values)) for values in zip(*((calls.latency_ms, calls.share) for calls in whole), strict=True))
        return dict(zip(COLUMNS, times, strict=False)) | speedup
