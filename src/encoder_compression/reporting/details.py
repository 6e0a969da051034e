"""The tables beside the summary: slices of the test split, the fixed grid, and what ran where."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from encoder_compression.reporting.page_content import Proof
from encoder_compression.reporting.rows import Row
from encoder_compression.reporting.summary import Table


def slices(table: Table) -> pd.DataFrame:
    """Return the share of right examples by quarter of their lengths and by kind, with 95 % Wilson intervals; means over seeds.

    Lengths are those that the baseline reads, for every row: a pruned vocabulary has pieces of its own, but slices must hold the
    same examples. Accuracy within a label is its recall, whatever the metric of the study. A task whose predictions are
    not right or wrong has no slices.
    """
    (baseline, *_) = table.saved(table.rows, "baseline")
    parts_of_test = parts(baseline, table.description)
    described = (
        {"variant": variant, "device": device, **part}
        for (variant, device), rows in table.groups.items()
        for part in _slices_of(table.saved(rows), parts_of_test)
    )
    columns = ["variant", "device", "kind", "slice", "examples", "score", "score_ci_low", "score_ci_high"]
    return pd.DataFrame(described, columns=columns)


def _slices_of(rows: list[Row], parts: list[tuple[str, str, np.ndarray]]) -> list[dict]:
    if rows[0].right is None:
        return []
    right = np.mean([row.right for row in rows], axis=0)
    return [_describe(kind, name, right[inside]) for kind, name, inside in parts if inside.any()]


def parts(baseline: Row, description: dict) -> list[tuple[str, str, np.ndarray]]:
    """Return (kind, name, which examples) of every slice."""
    edges = np.unique(np.quantile(baseline.tokens, [0, 0.25, 0.5, 0.75, 1]).astype(int))
    ends = edges[1:] if len(edges) > 1 else edges  # all of one length: one slice
    bounds = list(zip([edges[0] - 1, *ends[:-1]], ends, strict=True))
    by_length = [("length", _range(low + 1, high), (baseline.tokens > low) & (baseline.tokens <= high)) for low, high in bounds]
    kinds = baseline.task.kinds(baseline.labels, description)
    return by_length + [(baseline.task.SLICED, name, inside) for name, inside in kinds.items()]


def _range(first: int, last: int) -> str:
    return f"{last} tokens" if first == last else f"{first}–{last} tokens"


def _describe(kind: str, name: str, right: np.ndarray) -> dict:
    low, high = proportion_confint(right.sum(), len(right), method="wilson")
    return {"kind": kind, "slice": name, "examples": len(right), "score": right.mean(), "score_ci_low": low, "score_ci_high": high}


def grid(table: Table) -> pd.DataFrame:
    """Return the median latency of every cell of the grid, and how it compares with the partner's in turns."""
    cells = (
        {"variant": variant, "device": device, **_describe_cell(cell)}
        for (variant, device), rows in table.groups.items()
        for cell in table.saved(rows)[0].measurement["grid"]
    )
    return pd.DataFrame(
        cells, columns=["variant", "device", "batch_size", "length", "latency_ms", "speedup", "speedup_low", "speedup_high"]
    )


def _describe_cell(cell: dict) -> dict:
    latencies = np.array(cell["latencies_ms"])
    partner = cell["partner_latencies_ms"]
    ratios = np.array(partner) / latencies if partner else np.ones(len(latencies))
    described = {
        "latency_ms": np.median(latencies),
        "speedup": np.median(ratios),
        "speedup_low": ratios.min(),
        "speedup_high": ratios.max(),
    }
    return {"batch_size": cell["batch_size"], "length": cell["length"]} | described


def proofs(table: Table) -> list[Proof]:
    """Return per variant and device, of the first seed, what ran where and in which number formats."""
    return [
        {"variant": variant, "device": device, **_prove(table.saved(rows)[0].measurement)}
        for (variant, device), rows in table.groups.items()
    ]


def _prove(measured: dict) -> dict:
    nodes = ", ".join(f"{count} on {place}" for place, count in measured["proof"]["nodes"].items())
    products = ", ".join(f"{count} in {name}" for name, count in measured["proof"]["matmuls"].items())
    compiled = f", compiled in {measured['compile_seconds']:.0f} s" if "compile_seconds" in measured else ""
    return {
        "ran_on": measured["ran_on"],
        "threads": measured["threads"],
        "affinity": "core " + ", ".join(map(str, measured["cores"])),
        "library": measured["library"] + compiled,
        "operators": f"nodes: {nodes}; matrix products: {products}",
        "dtypes": ", ".join(f"{name} {count / 1e6:.2f}M" for name, count in measured["dtypes"].items()),
    }
