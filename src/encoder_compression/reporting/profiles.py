"""Where the milliseconds of a call go, by profiles: a bar of kinds and a sentence for each variant and device."""

import json
from pathlib import Path

import pandas as pd

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.page_content import Part
from encoder_compression.statistics.ratios import NOISY_SHARE
from encoder_compression.study.chain import place_of

SHOWN = "median"  # of the profiled inputs
PRODUCTS = ("matmul", "attention")
COLORS = {  # kinds of operators in the order of the bars; Okabe & Ito (2008), greys for what computes nothing, purple for the unknown
    "matmul": "#0072b2",
    "attention": "#56b4e9",
    "normalization": "#009e73",
    "embedding": "#cc79a7",
    "activation": "#e69f00",
    "quantize/dequantize": "#d55e00",
    "elementwise": "#f0e442",
    "copies": "#8a949e",
    "runtime overhead": "#c3cad1",
    "other": "#7f3c8d",
}
IN_WORDS = {
    "quantize/dequantize": "quantizing and dequantizing",
    "elementwise": "elementwise arithmetic",
    "runtime overhead": "the runtime's overhead",
    "other": "operators of no known kind",
}


def read(folder: Path) -> dict:
    """Return what is shown of a profile: a `page_content.Bar` of an input of median length, whose "finding" is a `Finding`."""
    row = place_of(Path(folder).parent)
    variant, device, folder = str(row.chain), row.part, Path(folder)
    facts = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    kinds = pd.read_csv(folder / "kinds.csv")
    shown = kinds[kinds["input"] == SHOWN].set_index("kind").loc[list(COLORS)]
    columns = zip(shown.index, shown["milliseconds"].tolist(), shown["share"].tolist(), strict=True)
    parts = [{"kind": kind, "milliseconds": ms, "share": share, "color": COLORS[kind]} for kind, ms, share in columns if ms > 0]
    described = {"variant": variant, "device": device, "tokens": facts["inputs"][SHOWN]["tokens"], "parts": parts}
    described |= {"milliseconds": facts["inputs"][SHOWN]["latency_ms"], "noisy": facts["foreign_cpu_share"] > NOISY_SHARE}
    return described | {"finding": _conclude(variant, device, parts)}


def _conclude(variant: str, device: str, parts: list[Part]) -> Finding:
    shares = {part["kind"]: part["share"] for part in parts}
    products = sum(shares.get(kind, 0) for kind in PRODUCTS)
    rest = {kind: shares.get(kind, 0) for kind in COLORS if kind not in PRODUCTS}
    largest = max(rest, key=rest.get)
    takes = f"{rest[largest]:.0%} of a call's time is {IN_WORDS.get(largest, largest)}, {products:.0%} matmul and attention"
    facts = {"variant": variant, "device": device, "largest": largest, "shares": shares}
    return Finding("where_time_goes", f"{variant} on {device}: {takes}.", facts=facts)
