"""The table of a training in one process and in several, in words."""

from pathlib import Path

import pandas as pd

from encoder_compression.reporting.page_content import TextTable
from encoder_compression.reporting.text import ABSENT

HEADS = ["processes", "threads each", "tokens/s (range)", "epoch s", "speedup", "efficiency", "memory each, MB"]
NOTE = (
    "The first training of the baseline, timed for a few steps after warm-up on the same batches, in turns. tokens/s: median and range "
    "over fresh starts, padding not counted. An epoch is one of train without validation. Efficiency: speedup over the number of processes."
)


def read(times: Path | None) -> TextTable:
    """Return the rows of a ``times.csv`` of `parallel_training.time_processes` as texts; none where there is no such file."""
    rows = pd.read_csv(times).to_dict("records") if times else []
    return {"heads": HEADS, "rows": [_texts(row) for row in rows]}


def _texts(row: dict) -> list[str]:
    if isinstance(row["left_out"], str):
        return [f"{row['processes']} ({row['left_out']})", *[ABSENT] * (len(HEADS) - 1)]
    speed, low, high = (f"{row[f'tokens_per_second{end}']:,.0f}" for end in ("", "_low", "_high"))
    ratios = [f"{row['speedup']:.2f}×", f"{row['efficiency']:.0%}", f"{row['memory_mb_per_process']:,.0f}"]
    return [str(row["processes"]), f"{row['threads_per_process']:.0f}", f"{speed} ({low}–{high})", f"{row['epoch_seconds']:,.1f}", *ratios]
