"""The summary as Markdown: rows that cannot be trusted are marked, and what has no figure is a dash."""

import pandas as pd

from encoder_compression.reporting import text
from encoder_compression.reporting.findings import Finding
from saved_rows import ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, verdict="The baseline.")
FAST = sample(variant="teacher+int8", verdict="Faster.", **ratio("speedup", 2.5, 2.25, 2.75), **ratio("speedup_compression", 2.5, 2.2, 2.8))


def markdown(*rows: dict, warnings=(), comparisons=(), data=(), caution=None) -> str:
    answer = {"smallest": Finding("variant_wins", "one"), "fastest": Finding("variant_wins", "other")}
    answers = [{"device": device, **answer, "caution": caution} for device in ("cpu-pytorch", "cpu-onnxruntime")]
    shown = {"warnings": list(warnings), "comparisons": list(comparisons), "answers": answers, "data": list(data)}
    return text.markdown(
        processes="", release_gate="", profiles=[], experiment="mine", machine="A machine", budget=1, table=pd.DataFrame(rows), **shown
    )


def cells(written: str, variant: str) -> list[str]:
    """Return the cells of a row of the Markdown table."""
    line = next(line for line in written.splitlines() if line.startswith(f"| {variant} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_markdown_has_a_line_of_equally_many_cells_for_every_row():
    written = markdown(BASELINE, FAST)
    lines = [line for line in written.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_markdown_has_score_and_speedup_with_intervals():
    written = markdown(BASELINE, FAST)
    assert "90.0% (86.0%–94.0%)" in cells(written, "teacher+int8")
    assert "2.50x (2.25–2.75)" in cells(written, "teacher+int8")
    assert "1.00 × 2.50" in cells(written, "teacher+int8")
    assert "1 (baseline)" in cells(written, "teacher")


def test_markdown_has_the_spread_of_several_seeds():
    assert "90.0% ± 1.2 (86.0%–94.0%)" in cells(markdown(sample(seeds=3, score_sd=0.012, verdict="")), "teacher+int8")


def test_markdown_marks_failing_and_noisy_rows_and_no_others():
    written = markdown(BASELINE, FAST, FAST | {"variant": "bad", "can_win": False}, FAST | {"variant": "late", "noisy": True})
    assert cells(written, "bad")[:2] == ["bad ✗", "cpu-pytorch"]
    assert cells(written, "late")[:2] == ["late", "cpu-pytorch ~"]
    assert cells(written, "teacher+int8")[:2] == ["teacher+int8", "cpu-pytorch"]


def test_markdown_has_answers_and_a_verdict_for_every_row():
    written = markdown(BASELINE, FAST)
    assert "- cpu-pytorch: smallest one. Fastest other." in written
    assert "- **teacher+int8** on cpu-pytorch: Faster." in written
    assert "- **teacher** on cpu-pytorch: The baseline." in written


def test_markdown_has_a_caution_that_two_devices_share_once():
    written = markdown(BASELINE, caution=Finding("baseline_suspect", "Mind the labels."))
    assert written.partition("## At most 1 point of loss")[2].count("- Mind the labels.\n") == 1


def test_markdown_warns_only_where_there_is_something_to_warn_of():
    warnings = [Finding("few_examples", "Mind this."), Finding("data_set", "And that.")]
    assert "## Warnings\n\n- Mind this.\n- And that." in markdown(BASELINE, warnings=warnings)
    assert "## Warnings" not in markdown(BASELINE)


def test_markdown_has_the_comparisons_that_a_study_asks_for():
    pair = [Finding("gain", "One is better."), Finding("slower", "And slower.")]
    assert "## Compared with each other\n\n- One is better. And slower." in markdown(BASELINE, comparisons=[pair])
    assert "## Compared" not in markdown(BASELINE)
