"""The summary as Markdown, and how figures are written in words."""

import math

import pandas as pd

from encoder_compression.reporting.findings import Finding, sentences
from encoder_compression.reporting.page_content import Split, TextTable

ABSENT = "–"  # where there is no figure
END_TO_END = "end-to-end ms (speed-up)"
_WHOLE_CALLS = "*end-to-end*: from the raw text of one {unit} to its answer, tokenization by the artifact's own tokenizer included."
_NOTES = """\
How to read it: the score is that of the saved artifact on the test split; intervals are 95 %. *retained* is the score over the
baseline's, a dash where that is not above 0. Latency is one {unit} at a time over the real lengths; *speed-up* is over the baseline,
from alternating rounds of freshly started processes on the same {unit}s, and is the product of what the runtime and what the
compression bring. The p50 of
different rows were taken at different moments: compare rows by speed-up. Throughput uses length-sorted batches. Memory is the peak
while running above the imported runtime; size is weights and graph on disk, and after zstd. Training counts every step of the chain.
✗ cannot win, and its verdict says why: beyond the budget, which a quality gate may narrow, or no better than a constant prediction.
~ was measured while other programs kept the machine busy.
The budget is *kept* where the one-sided 95 % bound of the drop is within it, *exceeded* where even the opposite bound is beyond it, and
else *open*: the test split cannot tell. Scores are tested variant by variant: of twenty variants that lose nothing, one is called a loss
or a gain by chance."""


def notes(table: pd.DataFrame) -> str:
    """Return how to read a `summary.Table.over_seeds`, with what it calls an example and how its devices pad single ones."""
    unit = table["unit"][0]
    whole_calls = [_WHOLE_CALLS.format(unit=unit)] if "end_to_end_ms_p50" in table else []
    return "\n".join([_NOTES.format(unit=unit), *whole_calls, *_paddings(table)])


def _paddings(table: pd.DataFrame) -> list[str]:
    padded = table[table["padding"] != "none"]
    return [
        f"{', '.join(rows['device'].unique())}: single {table['unit'][0]}s are padded {padding}; the other devices pad none."
        for padding, rows in padded.groupby("padding")
    ]


def markdown(
    *,
    experiment: str,
    machine: str,
    warnings: list[Finding],
    answers: list[dict],
    comparisons: list[list[Finding]],
    profiles: list[dict],
    data: list[dict],
    processes: str,
    release_gate: str,
    budget: float,
    table: pd.DataFrame,
) -> str:
    """Return the summary of ``table``, a `summary.Table.over_seeds` with the column "verdict"; ``data`` is what `splits` returns."""
    wins = [f"- {caution.text}" for caution in dict.fromkeys(answer["caution"] for answer in answers) if caution]
    wins += [f"- {answer['device']}: smallest {answer['smallest'].text}. Fastest {answer['fastest'].text}." for answer in answers]
    verdicts = [f"- **{row.variant}** on {row.device}: {row.verdict}" for row in table.itertuples()]
    parts = [f"# {experiment}", machine, _table(table), notes(table)]
    parts += ["## Warnings", "\n".join(f"- {warning.text}" for warning in warnings)] if warnings else []
    parts += [f"## At most {points(budget)} of loss", "\n".join(wins)]
    parts += ["## Release gate", release_gate] if release_gate else []
    parts += ["## Compared with each other", "\n".join(f"- {sentences(pair)}" for pair in comparisons)] if comparisons else []
    parts += ["## What it shows", "\n".join(verdicts)]
    parts += ["## Training in several processes", processes] if processes else []
    parts += ["## Where a call's milliseconds go", "\n".join(f"- {bar['finding'].text}" for bar in profiles)] if profiles else []
    parts += ["## Data", "\n".join(_describe_split(split, table["unit"][0]) for split in data)]
    return "\n\n".join(parts) + "\n"


def text_table(table: TextTable, note: str) -> str:
    """Return a table of texts as Markdown, and the note behind it; nothing of one without rows."""
    if not table["rows"]:
        return ""
    lines = [table["heads"], ["---:"] * len(table["heads"]), *table["rows"]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def splits(description: dict) -> list[Split]:
    """Return per split of dataset.json its name, its number of "rows", and in words which rows were "left_out" and why."""
    dropped = description["dropped"]
    return [
        {"split": name, "rows": rows, "left_out": ", ".join(f"{n:,} ({why})" for why, n in dropped.get(name, {}).items() if n)}
        for name, rows in description["rows"].items()
    ]


def _describe_split(split: Split, unit: str) -> str:
    left_out = f"; left out: {split['left_out']}" if split["left_out"] else ""
    return f"- {split['split']}: {split['rows']:,} {unit}{'s' if split['rows'] != 1 else ''}{left_out}"


def _table(table: pd.DataFrame) -> str:
    shown = [name for name in ("f1", "exact_match") if name in table]
    score = [table["metric"][0], *(name.replace("_", " ") for name in shown)]
    header = ["variant", "device", *score, "retained", "p50 ms", "speed-up", "= runtime × compression", f"{table['unit'][0]}s/s"]
    header += [END_TO_END] if "end_to_end_ms_p50" in table else []
    header += ["memory MB", "size MB (compressed)", "parameters M (non-zero)", "training s"]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    lines += [_cells(row, shown) for row in table.itertuples()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row, shown: list[str]) -> list[str]:
    return [
        row.variant + ("" if row.can_win else " ✗"),
        row.device + (" ~" if row.noisy else ""),
        f"{_score(row)}{interval(row.score_ci_low, row.score_ci_high, '.1%')}",
        *(figure(getattr(row, name), ".1%") for name in shown),
        figure(row.retained, ".1%"),
        f"{row.latency_ms_p50:.2f}",
        "1 (baseline)" if row.is_baseline else f"{row.speedup:.2f}x{interval(row.speedup_ci_low, row.speedup_ci_high, '.2f')}",
        f"{row.speedup_runtime:.2f} × {row.speedup_compression:.2f}",
        f"{row.throughput_per_s:.0f}",
        *([_end_to_end(row)] if hasattr(row, "end_to_end_ms_p50") else []),
        f"{row.memory_run_mb:.0f}",
        f"{short(row.size_mb)} ({short(row.compressed_mb)})",
        f"{short(row.parameters / 1e6)} ({short(row.nonzero_parameters / 1e6)})",
        short(row.training_seconds),
    ]


def _end_to_end(row) -> str:
    speedup = figure(None if row.is_baseline else row.end_to_end_speedup, ".2f")
    return figure(row.end_to_end_ms_p50, ".2f") + (f" ({speedup}x)" if speedup != ABSENT else "")


def figure(value: float | None, form: str) -> str:
    """Return a number in a format, or a dash where there is none: None, NaN and infinities are no figures."""
    return ABSENT if value is None or not math.isfinite(value) else format(value, form)


def interval(low: float | None, high: float | None, form: str) -> str:
    """Return `` (low–high)``, with "to" where an end is negative, or nothing where an end is not known."""
    first, last = figure(low, form), figure(high, form)
    if ABSENT in (first, last):
        return ""
    return f" ({first} to {last})" if low < 0 else f" ({first}–{last})"


def short(value: float) -> str:
    """Return a number with three digits, or all of them before the point: 0.0665, 17.4, 1340."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def points(number: float) -> str:
    """Return so many points in words, with three digits at most."""
    return f"{number:.3g} point" if number == 1 else f"{number:.3g} points"


def signed(number: float) -> str:
    """Return a number with one digit and its sign, and zero without one: ``-0.4``, ``+1.0``, ``0.0``."""
    shown = f"{number:+.1f}"
    return shown if float(shown) else "0.0"


def beside(value: float, limit: float, digits: int) -> str:
    """Return a number with as many digits, ``digits`` or more, as show on which side of the limit it lies."""
    shown = (f"{value:.{places}f}" for places in range(digits, 12))
    return next((text for text in shown if (float(text) - limit) * (value - limit) > 0), f"{value:.{digits}f}")


def _score(row) -> str:
    return f"{row.score:.1%}" if row.seeds == 1 else f"{row.score:.1%} ± {row.score_sd * 100:.1f}"
