"""What was tried has one row a variant, and what one more point, ms or MB would buy is the smallest sacrifice that buys anything."""

import math

import pandas as pd
import pytest

from encoder_compression.contract import tried

COLUMNS = ("variant", "is_baseline", "score", "difference", "change_above", "latency_ms_p50", "size_mb", "memory_run_mb")
ROWS = [
    ("teacher", True, 0.9, math.nan, math.nan, 6.0, 90.0, 190.0),
    ("small", False, 0.88, -0.02, -0.025, 2.0, 20.0, 90.0),
    ("control", False, 0.8, -0.1, -0.11, 2.0, 20.0, 90.0),
]
TABLE = pd.DataFrame(ROWS, columns=COLUMNS)
CLAUSES = {"teacher": {"size_mb": "exceeded", "budget": "kept"}, "small": {"size_mb": "kept"}}
GATE = [
    {"variant": name, "verdict": verdict, "clauses": [{"clause": clause, "verdict": each} for clause, each in CLAUSES[name].items()]}
    for name, verdict in (("teacher", "fail"), ("small", "pass"))
]


def test_rows_of_the_gate_come_before_what_was_only_screened(tmp_path):
    screening = tmp_path / "screening.csv"
    figures = {
        "score": [0.87, 0.86, 0.5],
        "change": [-0.02, -0.03, -0.4],
        "change_above": [-0.022, -0.037, -0.41],
        "latency_ms": [1.9, 0.5, 0.5],
        "size_mb": [20, 9, 9],
        "memory_mb": [90, 50, 50],
    }
    named = {"variant": ["small", "tiny", "untrained"], "trained": [True, True, False]}
    pd.DataFrame(named | figures).to_csv(screening, index=False)
    rows = tried.rows(TABLE, GATE, screening)
    assert [(row["variant"], row["source"], row["verdict"]) for row in rows] == [
        ("teacher", "measured", "fail"),
        ("small", "measured", "pass"),
        ("tiny", "screened", None),
    ]
    assert [row["missed"] for row in rows] == [{"size_mb": "exceeded"}, {}, None]
    assert rows[1]["latency_ms"] == 2.0 and rows[1]["memory_mb"] == 90.0
    assert rows[2]["difference"] == -0.03 and rows[2]["latency_ms"] == 0.5
    noise = tried.noise(TABLE, screening)
    measured = {("measured", "teacher"): 0.0, ("measured", "small"): 0.005, ("measured", "control"): 0.01}
    screened = {("screened", "small"): 0.002, ("screened", "tiny"): 0.007, ("screened", "untrained"): 0.01}
    assert noise == pytest.approx(measured | screened)
    on_test, on_validation = tried.comparable(rows, screening)
    assert [row["variant"] for row in on_test] == ["teacher", "small"]
    assert [(row["variant"], row["latency_ms"]) for row in on_validation] == [("small", 1.9), ("tiny", 0.5)]


SURE = dict.fromkeys((("measured", name) for name in ("chosen", "near", "far", "exact", "worse", "unknown", "faster")), 0.001)


def row(variant: str, difference: float | None, latency_ms: float, size_mb: float) -> dict:
    figures = {"difference": difference, "latency_ms": latency_ms, "size_mb": size_mb, "memory_mb": None}
    return {"variant": variant, "source": "measured"} | figures


def test_the_smallest_sacrifice_on_each_axis_is_told_with_all_that_it_gains():
    rows = [
        row("chosen", -0.008, 2.0, 20.0),
        row("near", -0.012, 1.5, 20.0),  # 0.4 points for half a millisecond
        row("far", -0.05, 0.5, 5.0),
        row("exact", 0.0, 6.0, 90.0),
        row("worse", -0.009, 2.5, 30.0),  # better nowhere
    ]
    offers = {offer["axis"]: offer for offer in tried.exchanges([rows], "chosen", SURE)}
    assert offers.keys() == {"difference", "latency_ms", "size_mb"}
    assert offers["difference"]["variant"] == "near"
    assert offers["difference"]["costs"] == pytest.approx(0.004)
    assert offers["difference"]["gains"] == pytest.approx({"latency_ms": 0.5})
    assert offers["latency_ms"]["variant"] == offers["size_mb"]["variant"] == "exact"
    assert offers["latency_ms"]["costs"] == pytest.approx(4.0)
    assert offers["latency_ms"]["gains"] == pytest.approx({"difference": 0.008})


def test_what_is_known_of_nothing_is_no_exchange():
    assert tried.exchanges([[row("chosen", -0.01, 2.0, 20.0), row("unknown", None, 2.0, 20.0)]], "chosen", SURE) == []
    assert tried.exchanges([[row("chosen", -0.01, 2.0, 20.0), row("faster", -0.02, 1.92, 20.0)]], "chosen", SURE) == []  # by 4 %


def test_a_score_that_is_better_within_the_noise_of_both_rows_buys_nothing():
    rows = [row("chosen", -0.002, 2.0, 20.0), row("lucky", 0.002, 2.7, 23.0)]
    noise = {("measured", "chosen"): 0.003, ("measured", "lucky"): 0.003}
    assert tried.exchanges([rows], "chosen", noise) == []  # 0.4 points, of 0.42
    sure = noise | {("measured", "lucky"): 0.002}
    assert [offer["variant"] for offer in tried.exchanges([rows], "chosen", sure)] == ["lucky", "lucky"]


def test_what_was_screened_is_compared_with_what_screening_told_of_the_delivered_row():
    measured = [row("chosen", -0.01, 2.0, 20.0)]
    screened = [each | {"source": "screened"} for each in (row("chosen", -0.01, 1.0, 20.0), row("near", -0.02, 1.5, 20.0))]
    noise = SURE | {("screened", "chosen"): 0.001, ("screened", "near"): 0.001}
    assert tried.exchanges([measured, screened], "chosen", noise) == []  # 1.5 ms is no gain over 1.0
    assert tried.exchanges([measured, screened[1:]], "chosen", noise) == []
