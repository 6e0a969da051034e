"""The table tells whole calls, from raw text to answer, beside those of the model."""

import json
from pathlib import Path

import numpy as np
import pytest

from saved_rows import ONNX, TORCH, SavedStudy

INT8 = "teacher+int8"
TIMED = (("teacher", TORCH), ("teacher", ONNX), (INT8, ONNX))


def add_whole_calls(
    study: SavedStudy, variant: str, device: str, *, more_ms: float, partner_more_ms: float, waited_ms: float = 0.0
) -> None:
    """Let every call of a saved row take so much longer than the model, on the wall also what it ``waited_ms``."""
    path = Path(study.study.folder(variant, 1, device)) / "measurement.json"
    measured = json.loads(path.read_text(encoding="utf-8"))
    for each in (each for launch in measured["launches"] for each in launch["rounds"]):
        for side, more in (("", more_ms), ("partner_", partner_more_ms)):
            model_ms = each[f"{side}processor_ms"]
            each[f"{side}end_to_end_processor_ms"] = model_ms and [ms + more for ms in model_ms]
            each[f"{side}end_to_end_ms"] = model_ms and [ms + more + waited_ms for ms in model_ms]
    path.write_text(json.dumps(measured), encoding="utf-8")


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    """INT8 takes 2 ms of the baseline's 10 ms, and tokenization 0.5 ms of every call; the wall shows 1 ms more."""
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", INT8)
    study.save("teacher", TORCH, ms=10.0, gap=0.0)
    study.save("teacher", ONNX, ms=5.0, ratios=[2 / 1.02, 2.0, 2 * 1.02], gap=0.0)
    study.save(INT8, ONNX, ms=2.0, ratios=2.5, gap=0.0)
    for variant, device in TIMED:
        add_whole_calls(study, variant, device, more_ms=0.5, partner_more_ms=0.5, waited_ms=1.0)
    return study


def test_a_whole_call_is_given_by_the_wall_and_its_share_and_ratio_by_the_processors_clock(study):
    row = study.aggregate().loc[INT8, ONNX]
    assert row["end_to_end_ms_p50"] == pytest.approx(3.5)
    assert row["outside_model_share"] == pytest.approx(0.5 / 2.5)
    assert row["end_to_end_speedup"] == pytest.approx(10.5 / 5.5 * 5.5 / 2.5, rel=1e-4)
    assert row["speedup"] == pytest.approx(5)
    assert row["end_to_end_speedup_ci_low"] < 10.5 / 2.5 < row["end_to_end_speedup_ci_high"]
    by_seed = study.table().by_seed.set_index(["variant", "device"]).loc[INT8, ONNX]
    assert by_seed["end_to_end_speedup"] == pytest.approx(row["end_to_end_speedup"])


def test_the_interval_comes_from_the_starts_as_that_of_the_models_speedup_does(study):
    """Without tokenization both are the same estimate."""
    for variant, device in [*TIMED, ("teacher+even1", TORCH), ("teacher+even1", ONNX)]:
        add_whole_calls(study, variant, device, more_ms=0, partner_more_ms=0)
    row = study.aggregate().loc[INT8, ONNX]
    for end in ("", "_ci_low", "_ci_high"):
        assert row[f"end_to_end_speedup{end}"] == pytest.approx(row[f"speedup{end}"], rel=1e-12)


def test_several_threads_are_timed_by_the_wall(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.save("teacher+even1", TORCH, ms=2.0, ratios=3.0)  # of two threads
    for variant in ("teacher", "teacher+even1"):
        for device in (TORCH, ONNX):
            add_whole_calls(study, variant, device, more_ms=0, partner_more_ms=0, waited_ms=2.0)
    row = study.aggregate().loc["teacher+even1", TORCH]
    assert row["outside_model_share"] == pytest.approx(0.5)
    assert row["end_to_end_speedup"] == pytest.approx(8 / 4)


def test_a_baseline_has_whole_calls_and_no_interval(study):
    row = study.aggregate().loc["teacher", TORCH]
    assert (row["end_to_end_ms_p50"], row["end_to_end_speedup"]) == pytest.approx((11.5, 1))
    assert row[["end_to_end_speedup_ci_low", "end_to_end_speedup_ci_high"]].isna().all()


def test_a_row_that_was_not_timed_from_its_text_on_has_no_figure(study):
    row = study.aggregate().loc["teacher+even1", ONNX]
    assert row[["end_to_end_ms_p50", "outside_model_share", "end_to_end_speedup"]].isna().all()
    assert row["speedup"] == pytest.approx(2)


def test_a_study_without_raw_texts_has_no_such_columns(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    written = study.summarize()
    assert not [name for name in written.aggregate if name.startswith("end_to_end")]
    assert "end-to-end ms" not in written.markdown


def test_tables_page_and_cards_show_whole_calls(study):
    written = study.summarize()
    header, *lines = [line.split(" | ") for line in written.markdown.splitlines() if line.startswith("| ")]
    place = header.index("end-to-end ms (speed-up)")
    shown = {(line[0].removeprefix("| ").split(" ")[0], line[1].split(" ")[0]): line[place] for line in lines if len(line) == len(header)}
    assert shown["teacher", TORCH] == "11.50"
    assert shown[INT8, ONNX] == "3.50 (4.20x)"
    assert all(label in written.page for label in ("end-to-end p50 ms", "end-to-end speed-up", "tokenization and answer"))
    card = (Path(study.study.folder(INT8, 1, "onnx")) / "README.md").read_text(encoding="utf-8")
    assert f"| {ONNX} | 2.00 | 3.50 |" in card
    assert "*end-to-end*: from the raw text of one sentence to its answer" in written.markdown
    assert np.isfinite(written.summary["end_to_end_ms_p50"]).sum() == 3
