"""A summary for people, as Markdown: the table, and sentences derived from it."""

import pandas as pd

from encoder_compression import environment, quality
from encoder_compression.configuration import CONTROL

ALPHA = 0.05
NO_GAIN = 0.05  # a speed-up that differs from 1 by less is called none
NOISY_SHARE = 0.10  # of the machine's processor time, taken by others during a measurement

NOTES = """\
How to read it: the score is that of the saved artifact on the test split, with a 95 % bootstrap interval; *retained*
and *agreement* compare with the baseline's score and predictions. Latency is one sentence at a time over the real
lengths; *speed-up* is over the baseline, from alternating rounds on the same sentences, and is the product of what the
runtime and what the compression bring. Throughput uses length-sorted batches. Memory is the peak above the imported
runtime; size is weights and graph on disk. Training counts every step of the chain."""


def render(experiment: str, table: pd.DataFrame, predictions: list[pd.DataFrame]) -> str:
    """Return the text; ``predictions[i]`` are those of the table's i-th row (columns label, prediction)."""
    hardware = environment.hardware()
    machine = f"Summarized on {hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']} GB."
    sentences = _distillation(table, predictions) + _pruning(table) + _noise(table)
    verdicts = "\n".join(f"- {sentence}" for sentence in sentences)
    parts = [f"# {experiment}", machine, _table(table), NOTES]
    return "\n\n".join(parts + (["## What it shows", verdicts] if verdicts else [])) + "\n"


def _table(table: pd.DataFrame) -> str:
    header = ["variant", "seed", "device", table["metric"][0], "retained", "agreement", "p50 ms", "speed-up", "= runtime × compression"]
    header += ["sentences/s", "memory MB", "size MB", "parameters M (non-zero)", "training s"]
    lines = [header, ["---"] * 3 + ["---:"] * (len(header) - 3)]
    lines += [_cells(row) for row in table.itertuples()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row) -> list[str]:
    return [
        row.variant,
        str(row.seed),
        row.device,
        f"{row.score:.1%} ({row.score_ci_low:.1%}–{row.score_ci_high:.1%})",
        f"{row.retained:.1%}",
        f"{row.agreement:.1%}",
        f"{row.latency_ms_p50:.2f}",
        f"{row.speedup:.2f}x",
        f"{row.speedup_runtime:.2f} × {row.speedup_compression:.2f}",
        f"{row.throughput_per_s:.0f}",
        f"{row.memory_mb:.0f}",
        f"{row.size_mb:.1f}",
        f"{row.parameters / 1e6:.1f} ({row.nonzero_parameters / 1e6:.1f})",
        f"{row.training_seconds:.0f}",
    ]


def _distillation(table: pd.DataFrame, predictions: list[pd.DataFrame]) -> list[str]:
    """Compare each student with its control on the same device and seed, by McNemar's exact test."""
    rows = {(row.variant, row.seed, row.device): row for row in table.itertuples()}
    sentences = []
    for (variant, seed, device), row in rows.items():
        control = rows.get((variant + CONTROL, seed, device))
        if control is None or row.runtime != "pytorch":
            continue
        one, other = predictions[row.Index], predictions[control.Index]
        p = quality.mcnemar(one["label"].to_numpy(), one["prediction"].to_numpy(), other["prediction"].to_numpy())
        sentences.append(
            f"{variant}, seed {seed}: distillation changes {row.metric} by {(row.score - control.score) * 100:+.1f} points over the "
            f"same student without it ({control.score:.1%}): {_verdict(p)} (McNemar p = {p:.2g})."
        )
    return sentences


def _verdict(p: float) -> str:
    return "a difference" if p < ALPHA else "not distinguishable"


def _pruning(table: pd.DataFrame) -> list[str]:
    """Say of each dense row with many zeros what they bring in time, and that its file has not shrunk."""
    sparse = table[(table["nonzero_parameters"] < 0.9 * table["parameters"]) & (table["parameters"] == table["parameters"].max())]
    return [
        f"{row.variant} on {row.device}: {1 - row.nonzero_parameters / row.parameters:.0%} of all parameters are zero, yet the file "
        f"is as large ({row.size_mb:.1f} MB) and {_time_of_zeros(row)}."
        for row in sparse.itertuples()
    ]


def _time_of_zeros(row) -> str:
    """Claim that dense kernels gain nothing only where the figure says so and nobody disturbed it."""
    if row.foreign_cpu_share > NOISY_SHARE or abs(row.speedup_compression - 1) > NO_GAIN:
        return f"its time ({row.speedup_compression:.2f}x) is no clear 1.00x: measure again on a quiet machine"
    return f"dense kernels run it at {row.speedup_compression:.2f}x: zeros alone save neither"


def _noise(table: pd.DataFrame) -> list[str]:
    """Flag the rows during whose measurement other programs kept the machine busy."""
    noisy = table[table["foreign_cpu_share"] > NOISY_SHARE]
    return [
        f"{row.variant} on {row.device}, seed {row.seed}: other programs took {row.foreign_cpu_share:.0%} of the processors "
        "while it was measured; do not rely on its times."
        for row in noisy.itertuples()
    ]
