"""The summary as LaTeX, for papers: a table per device, and one of the variants that were compared with each other."""

import pandas as pd

from encoder_compression.reporting.text import ABSENT, figure, short

PREAMBLE = r"% needs \usepackage[T1]{fontenc}, \usepackage{booktabs} and \usepackage{graphicx}"
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"  # as wide as the text at most
EXCLUDED, NOISY = r"$\times$", r"$\sim$"
SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
SCORES = (
    "Scores are means over the training seeds with $\\pm$ the standard deviation between them, where there are several, "
    "and the 95\\,\\% confidence interval in brackets. Retained is the score over the baseline's"
)
TESTS = "$p$ is that the {} is 0, corrected for all {} (Holm)"
SPEED = "speed-up is over the baseline, with its 95\\,\\% confidence interval; latency is the median of single {}s"
LEGEND = "$\\times$: cannot win (beyond the budget, or no better than a constant); $\\sim$: other programs kept the machine busy"


def latex(table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Return tables of booktabs with captions, from a `summary.Table.over_seeds` and the `pairs.pairs` of the same study."""
    tables = [_of_device(device, rows) for device, rows in table.groupby("device", sort=False)]
    return "\n".join([PREAMBLE, *tables, *([_of_pairs(pairs)] if len(pairs) else [])])


def _of_device(device: str, rows: pd.DataFrame) -> str:
    columns = {
        "Variant": rows["variant"].map(_escape),
        "": [_marks(row) for row in rows.itertuples()],
        f"{_title(rows)} (\\%)": [_score(row) for row in rows.itertuples()],
        "Retained (\\%)": [figure(row.retained, ".1%").rstrip("%") for row in rows.itertuples()],
        "$p$": [_p(row.p_holm) for row in rows.itertuples()],
        "Speed-up": ["1" if row.is_baseline else f"{row.speedup:.2f}{_brackets(row, 'speedup', 1, 2)}" for row in rows.itertuples()],
        "Latency (ms)": [f"{row.latency_ms_p50:.2f}" for row in rows.itertuples()],
        "Memory (MB)": [f"{row.memory_run_mb:.0f}" for row in rows.itertuples()],
        "Size (MB)": [short(row.size_mb) for row in rows.itertuples()],
    }
    unit = rows["unit"].iloc[0]
    notes = f"{SCORES}; {TESTS.format('difference from the baseline', 'devices of the variant')}; {SPEED.format(unit)}. {LEGEND}."
    return _table(columns, caption=f"{_escape(rows['experiment'].iloc[0])} on {_escape(device)}. {notes}", left=2)


def _of_pairs(pairs: pd.DataFrame) -> str:
    rows = list(pairs.itertuples())
    columns = {
        "Variant": pairs["variant"].map(_escape),
        "Compared with": pairs["other"].map(_escape),
        "Device": pairs["device"].map(_escape),
        f"{_title(pairs)} (points)": [f"{row.difference * 100:+.1f}{_brackets(row, 'difference', 100, 1)}" for row in rows],
        "$p$": [_p(row.p_holm) for row in rows],
        "Training (s)": [f"{short(row.training_seconds)} / {short(row.other_training_seconds)}" for row in rows],
        "Speed-up": [f"{row.speedup:.2f} / {row.other_speedup:.2f}" for row in rows],
        "Size (MB)": [f"{short(row.size_mb)} / {short(row.other_size_mb)}" for row in rows],
    }
    difference = "Difference of the scores, first variant minus second, with its 95\\,\\% confidence interval in brackets"
    return _table(
        columns, caption=f"Variants compared with each other. {difference}; {TESTS.format('difference', 'pairs of the study')}.", left=3
    )


def _table(columns: dict, *, caption: str, left: int) -> str:
    """Return a table that fits the width of the text; the first ``left`` columns are flush left."""
    tabular = pd.DataFrame(columns).style.hide(axis="index").to_latex(hrules=True, column_format="l" * left + "r" * (len(columns) - left))
    return f"\\begin{{table}}[tbp]\n\\centering\\small\n\\caption{{{caption}}}\n{FIT}\n{tabular.rstrip()}}}\n\\end{{table}}\n"


def _title(table: pd.DataFrame) -> str:
    return _escape(table["metric"].iloc[0].replace("_", " ").capitalize())


def _escape(text: str) -> str:
    """Return text whose special characters LaTeX prints."""
    return text.translate(SPECIAL)


def _marks(row) -> str:
    return ("" if row.can_win else EXCLUDED) + (NOISY if row.noisy else "")


def _p(value: float) -> str:
    return ABSENT if pd.isna(value) else "$<$0.001" if value < 0.001 else f"{value:.2g}"


def _score(row) -> str:
    spread = "" if row.seeds == 1 else f" ± {row.score_sd * 100:.1f}"
    return f"{row.score * 100:.1f}{spread}{_brackets(row, 'score', 100, 1)}"


def _brackets(row, name: str, scale: float, digits: int) -> str:
    """Return the interval of a figure in brackets, or nothing where it is not known."""
    low, high = (getattr(row, f"{name}_ci_{end}") for end in ("low", "high"))
    return "" if pd.isna(low) or pd.isna(high) else f" [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"
