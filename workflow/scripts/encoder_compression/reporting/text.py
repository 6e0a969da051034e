"""The summary as text: Markdown for people, LaTeX for papers."""

import pandas as pd

_NOTES = """\
How to read it: the score is that of the saved artifact on the test split; intervals are 95 %. *retained* is the score over the
baseline's. Latency is one {unit} at a time over the real lengths; *speed-up* is over the baseline, from alternating rounds of
freshly started processes on the same {unit}s, and is the product of what the runtime and what the compression bring. The p50 of
different rows were taken at different moments: compare rows by speed-up. Throughput uses length-sorted batches. Memory is the peak
while running above the imported runtime; size is weights and graph on disk, and after zstd. Training counts every step of the chain.
✗ fails the quality gate or predicts the same for every {unit}, and never wins; ~ was measured while other programs kept the machine busy.
p-values are corrected for the rows of the table (Holm)."""


def notes(table: pd.DataFrame) -> str:
    """Return how to read a `summary.Table.over_seeds`, with what it calls an example and how its devices pad single ones."""
    return "\n".join([_NOTES.format(unit=table["unit"][0]), *_paddings(table)])


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
    warnings: list[str],
    answers: list[dict],
    comparisons: list[str],
    budget: float,
    table: pd.DataFrame,
) -> str:
    """Return the summary of ``table``, a `summary.Table.over_seeds` with the column "verdict"."""
    wins = [f"- {one['device']}: smallest {one['smallest']}. Fastest {one['fastest']}." for one in answers]
    sentences = [f"- **{row.variant}** on {row.device}: {row.verdict}" for row in table.itertuples()]
    parts = [f"# {experiment}", machine, _table(table), notes(table)]
    parts += ["## Warnings", "\n".join(f"- {warning}" for warning in warnings)] if warnings else []
    parts += [f"## At most {points(budget)} of loss", "\n".join(wins)]
    parts += ["## Compared with each other", "\n".join(f"- {sentence}" for sentence in comparisons)] if comparisons else []
    parts += ["## What it shows", "\n".join(sentences)]
    return "\n\n".join(parts) + "\n"


def _table(table: pd.DataFrame) -> str:
    others = [name for name in ("f1", "exact_match") if name in table]
    score = [table["metric"][0], *(name.replace("_", " ") for name in others)]
    header = ["variant", "device", *score, "retained", "p50 ms", "speed-up", "= runtime × compression", f"{table['unit'][0]}s/s"]
    header += ["memory MB", "size MB (compressed)", "parameters M (non-zero)", "training s"]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    lines += [_cells(row, others) for row in table.itertuples()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row, others: list[str]) -> list[str]:
    return [
        row.variant + ("" if row.can_win else " ✗"),
        row.device + (" ~" if row.noisy else ""),
        f"{_score(row)} ({row.score_ci_low:.1%}–{row.score_ci_high:.1%})",
        *(f"{getattr(row, name):.1%}" for name in others),
        f"{row.retained:.1%}",
        f"{row.latency_ms_p50:.2f}",
        "1 (baseline)" if row.is_baseline else f"{row.speedup:.2f}x ({row.speedup_ci_low:.2f}–{row.speedup_ci_high:.2f})",
        f"{row.speedup_runtime:.2f} × {row.speedup_compression:.2f}",
        f"{row.throughput_per_s:.0f}",
        f"{row.memory_run_mb:.0f}",
        f"{short(row.size_mb)} ({short(row.compressed_mb)})",
        f"{short(row.parameters / 1e6)} ({short(row.nonzero_parameters / 1e6)})",
        short(row.training_seconds),
    ]


def short(value: float) -> str:
    """Return a number with three digits, or all of them before the point: 0.0665, 17.4, 1340."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def points(number: float) -> str:
    """Return so many points in words."""
    return f"{number:g} point" if number == 1 else f"{number:g} points"


def _score(row) -> str:
    return f"{row.score:.1%}" if row.seeds == 1 else f"{row.score:.1%} ± {row.score_sd * 100:.1f}"


def latex(table: pd.DataFrame) -> str:
    """Return the table for a paper, with booktabs' rules; ± is the standard deviation over seeds, brackets hold 95 % intervals."""
    columns = {
        "Variant": [row.variant for row in table.itertuples()],
        "Device": [row.device + (" (noisy)" if row.noisy else "") for row in table.itertuples()],
        f"{table['metric'][0].replace('_', ' ').capitalize()} (%)": [_latex_score(row) for row in table.itertuples()],
        "Retained": [f"{row.retained:.1%}" for row in table.itertuples()],
        "Gate": ["passes" if row.can_win else "fails" for row in table.itertuples()],
        "Speed-up": [_latex_speed(row) for row in table.itertuples()],
        "Latency (ms)": [f"{row.latency_ms_p50:.2f}" for row in table.itertuples()],
        "Memory (MB)": [f"{row.memory_run_mb:.0f}" for row in table.itertuples()],
        "Size (MB)": [short(row.size_mb) for row in table.itertuples()],
    }
    styler = pd.DataFrame(columns).style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    return "% needs \\usepackage{booktabs}\n" + styler.to_latex(hrules=True, column_format="ll" + "r" * (len(columns) - 2))


def _latex_speed(row) -> str:
    return "1" if row.is_baseline else f"{row.speedup:.2f} [{row.speedup_ci_low:.2f}, {row.speedup_ci_high:.2f}]"


def _latex_score(row) -> str:
    spread = "" if row.seeds == 1 else f" ± {row.score_sd * 100:.1f}"
    return f"{row.score * 100:.1f}{spread} [{row.score_ci_low * 100:.1f}, {row.score_ci_high * 100:.1f}]"
