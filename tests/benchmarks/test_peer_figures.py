"""The table of a comparison comes from its JSON, by known formulas."""

import json
import math

import numpy as np
import pytest

from conftest import ROOT
from encoder_compression.errors import UserError
from peers import figures, page

TRUTH = [0, 1] * 50


def flipped(*places: int) -> list[int]:
    """Return the truth with other classes at some places."""
    return [1 - label if place in places else label for place, label in enumerate(TRUTH)]


def measured(labels: list[int], *ratios: float) -> dict:
    """Return what was measured of a candidate that is so many times as fast, in each start."""
    clocks = ("processor", "wall", "model", "first")
    starts = [{"ratios": {clock: [math.log(ratio)] * 2 for clock in clocks}, "ms": {"wall": 10 / ratio}} for ratio in ratios]
    return {"labels": labels, "mb": 12.345, "memory_mb": 99.6, "changed": 0, "starts": starts}


def candidate(name: str, measured: dict, **changes) -> dict:
    known = {"environment": "some", "commands": ["run it"], "call": "", "reports": "nothing", "lines": 0, "made": {"minutes": 1.26}}
    return {"name": name, "measured": measured} | known | changes


@pytest.fixture
def record() -> dict:
    made = {"minutes": 0.5, "install_minutes": 2.04, "versions": {"tool": "1.2", "base": "3"}}
    return {
        "date": "2026-01-02",
        "hardware": {"processor": "CPU", "cores": 2, "memory_gb": 8.0, "isa": ["avx2"]},
        "packages": {"torch": "2"},
        "study": "reviews",
        "launches": 3,
        "rounds": 2,
        "reference": "teacher",
        "foreign_load": [0.01, 0.034],
        "truth": TRUTH,
        "candidates": [
            candidate("teacher", measured(flipped(*range(10)), 1, 1, 1), commands=[], made={"minutes": None}, reports=""),
            candidate(
                "fast", measured(flipped(*range(12)), 4, 4, 4), lines=20, made=made, commands=["first", "second"], call="`fast=True`"
            ),
            candidate("broken", {"error": "ValueError: no"}, made={"error": "ValueError: no"}),
        ],
    }


def test_accuracy_has_wilsons_interval():
    shown = figures.quality(flipped(*range(10)), TRUTH, TRUTH)
    centre, half = (0.9 + 1.96**2 / 200) / (1 + 1.96**2 / 100), 1.96 * math.sqrt(0.09 / 100 + 1.96**2 / 40000) / (1 + 1.96**2 / 100)
    assert (shown["accuracy"], shown["agreement"]) == (0.9, 0.9)
    assert shown["accuracy_low"] == pytest.approx(centre - half, abs=1e-4)
    assert shown["accuracy_high"] == pytest.approx(centre + half, abs=1e-4)


def test_a_change_is_of_the_same_texts():
    before = np.array([True] * 90 + [False] * 10)
    after = np.array([False] * 4 + [True] * 88 + [False] * 8)  # 4 newly wrong, 2 newly right
    shown = figures.paired_change(after, before)
    error = math.sqrt(2.5 + 4.5 - (2.5 - 4.5) ** 2 / 102) / 102  # half a text more in each cell
    assert shown["change"] == -0.02
    assert (shown["change_low"], shown["change_high"]) == pytest.approx((-2 / 102 - 1.96 * error, -2 / 102 + 1.96 * error), abs=1e-5)


def test_equal_answers_have_an_interval_around_no_change():
    shown = figures.paired_change(np.array([True] * 100), np.array([True] * 100))
    assert shown["change"] == 0 and shown["change_low"] == pytest.approx(-shown["change_high"]) and 0.01 < shown["change_high"] < 0.03


def test_a_speedup_is_the_mean_over_starts_with_a_pooled_interval():
    starts = {"steady": [[0.69, 0.71], [0.7, 0.7], [0.7, 0.7]], "noisy": [[1.0], [1.2], [1.4]]}
    shown = figures.speedups(starts)
    pooled = (0.04 * 2 + 0) / 4  # the variance between starts, of 2 degrees of freedom each
    half = 2.776 * math.sqrt(pooled / 3)
    assert shown["steady"] == pytest.approx((math.exp(0.7), math.exp(0.7 - half), math.exp(0.7 + half)), rel=1e-3)
    wide = 2.776 * math.sqrt(0.04 / 3)  # it spreads more than all together
    assert shown["noisy"] == pytest.approx((math.exp(1.2), math.exp(1.2 - wide), math.exp(1.2 + wide)), rel=1e-3)


def test_the_table_has_a_row_for_each_candidate_also_for_one_that_failed(record):
    header, _, teacher, fast, broken = page.table(record).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (header, teacher, fast, broken)]
    assert {len(row) for row in cells} == {len(page.COLUMNS)}
    ratio = "4.00x (4.00–4.00)"
    assert cells[2][:3] == ["fast", "2 commands, 20 lines of Python, `fast=True`", "0.5"]
    assert cells[2][3] == "88.0% (80.2%–93.0%)"
    assert cells[2][4].startswith("-2.0 (") and cells[2][5] == "98.0%"
    assert cells[2][6:] == [ratio, ratio, ratio, ratio, "2.5", "12.3", "100", "nothing"]
    assert cells[1][6:10] == ["1"] * 4 and cells[1][4] == ""
    assert cells[3][3] == "failed: ValueError: no" and cells[3][1:3] == ["1 command", ""]


def test_a_candidate_from_text_to_label_has_no_figure_without_tokenization(record):
    for start in record["candidates"][1]["measured"]["starts"]:
        del start["ratios"]["model"]
    fast = page.table(record).splitlines()[3]
    assert fast.split("|")[9].strip() == "one call"


def test_the_page_is_written_between_its_markers(record, tmp_path):
    path = tmp_path / "peers.md"
    path.write_text(f"# Peers\n\n{page.START}old figures\n{page.END}\n\nwords\n", encoding="utf-8")
    page.publish(record, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Peers\n\n") and text.endswith(f"{page.END}\n\nwords\n") and "old figures" not in text
    assert "2026-01-02. CPU, 2 cores, 8.0 GB, avx2. 100 test texts of `reviews`, 3 starts" in text
    assert "at most 3.4% of the machine's processor time" in text
    assert "| some | base 3, tool 1.2 | 2.0 |" in text
    assert "# fast (environments/some)\nfirst\nsecond\n" in text


def test_a_page_without_a_place_is_refused(record, tmp_path):
    (tmp_path / "peers.md").write_text("# Peers\n", encoding="utf-8")
    with pytest.raises(UserError, match="peers.md: there is no place for the table"):
        page.publish(record, tmp_path / "peers.md")


def test_the_page_of_the_docs_is_what_its_json_says(tmp_path):
    saved = json.loads((ROOT / "docs" / "results" / "peers" / "comparison.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(page.START)
    (tmp_path / "peers.md").write_text(before + page.START + page.END + rest.partition(page.END)[2], encoding="utf-8")
    page.publish(saved, tmp_path / "peers.md")
    assert (tmp_path / "peers.md").read_text(encoding="utf-8") == text
