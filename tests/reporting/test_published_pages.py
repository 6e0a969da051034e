"""What make publish writes into the README: the rows that tell most, each with its figures from the tables."""

import runpy

import pandas as pd
import pytest

from conftest import ROOT

PUBLISH = runpy.run_path(str(ROOT / "docs/publish_results.py"))


def row(variant: str, device: str, score: float, speedup: float, **facts) -> dict:
    figures = {
        "score_ci_low": score - 0.01,
        "score_ci_high": score + 0.01,
        "speedup_ci_low": speedup - 0.1,
        "speedup_ci_high": speedup + 0.1,
    }
    kinds = {"is_baseline": False, "is_control": False, "runtime_alone": False, "can_win": True}
    named = {"variant": variant, "device": device, "score": score, "speedup": speedup, "latency_ms_p50": 10 / speedup, "size_mb": 20.04}
    return named | figures | kinds | facts


@pytest.fixture
def table():
    rows = [
        row("teacher", "pytorch", 0.9, 1, is_baseline=True),
        row("teacher", "onnxruntime", 0.9, 2, runtime_alone=True),
        row("teacher+half", "pytorch", 0.88, 1.9),
        row("teacher+int8", "onnxruntime", 0.899, 4),
        row("teacher+half+int8", "onnxruntime", 0.88, 8.04),
        row("teacher+half-control", "pytorch", 0.4, 1.9, is_control=True),
        row("teacher+floor", "onnxruntime", 0.7, 120, can_win=False),
        row("teacher+pruned", "pytorch", 0.55, 1, can_win=False, speedup_ci_low=float("nan")),
    ]
    return pd.DataFrame(rows)


def test_the_headline_has_the_baseline_the_fastest_of_each_device_the_fastest_of_all_and_the_worst(table):
    _, _, *lines = PUBLISH["headline"](table).splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [
        "teacher",
        "teacher+half",
        "teacher+half+int8",
        "teacher+floor ✗",
        "teacher+pruned ✗",
    ]


def test_a_row_of_the_headline_has_intervals_where_there_are_some(table):
    lines = PUBLISH["headline"](table).splitlines()
    assert lines[2] == "| teacher | pytorch | 90.0% (89.0%–91.0%) | 10 | 1 (baseline) | 20 |"
    assert lines[4] == "| teacher+half+int8 | onnxruntime | 88.0% (87.0%–89.0%) | 1.24 | 8.04x (7.94–8.14) | 20 |"
    assert lines[6].endswith("| 10 | 1x | 20 |")


def test_a_part_is_written_between_its_markers_and_a_page_without_them_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- part: written by make publish -->\nold\n<!-- end of part -->\nafter\n", encoding="utf-8")
    PUBLISH["write"](page, "part", "new\n")
    assert page.read_text(encoding="utf-8") == ("before\n<!-- part: written by make publish -->\nnew\n<!-- end of part -->\nafter\n")
    with pytest.raises(SystemExit, match="Error: page.md has no place for other"):
        PUBLISH["write"](page, "other", "new")
