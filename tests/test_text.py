"""The summary as Markdown and as LaTeX: rows that cannot be trusted are marked, and names cannot break the table."""

import re

import pandas as pd

from encoder_compression.reporting import text
from saved_rows import ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, verdict="The baseline.")
FAST = sample(variant="teacher+int8", verdict="Faster.", **ratio("speedup", 2.5, 2.25, 2.75), **ratio("speedup_compression", 2.5, 2.2, 2.8))


def markdown(*rows: dict, warnings=(), comparisons=()) -> str:
    answers = [{"device": "cpu-pytorch", "smallest": "one", "fastest": "other"}]
    table = pd.DataFrame(rows)
    told = {"warnings": list(warnings), "comparisons": list(comparisons), "answers": answers}
    return text.markdown(experiment="mine", machine="A machine", budget=1, table=table, **told)


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


def test_markdown_warns_only_where_there_is_something_to_warn_of():
    assert "## Warnings\n\n- Mind this.\n- And that." in markdown(BASELINE, warnings=["Mind this.", "And that."])
    assert "## Warnings" not in markdown(BASELINE)


def test_markdown_has_the_comparisons_that_a_study_asks_for():
    assert "## Compared with each other\n\n- One is better." in markdown(BASELINE, comparisons=["One is better."])
    assert "## Compared" not in markdown(BASELINE)


def latex_rows(*rows: dict) -> dict[str, list[str]]:
    """Return the cells of every line of the LaTeX table by the line's first cell."""
    lines = [line.removesuffix(r"\\").split("&") for line in text.latex(pd.DataFrame(rows)).splitlines() if line.endswith(r"\\")]
    return {cells[0].strip(): [cell.strip() for cell in cells] for cells in lines}


def test_latex_is_a_booktabs_table_with_every_row():
    lines = text.latex(pd.DataFrame([BASELINE, FAST])).splitlines()
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    rows = latex_rows(BASELINE, FAST)
    columns = {len(cells) for cells in rows.values()}
    assert list(rows) == ["Variant", "teacher", "teacher+int8"]
    assert columns == {len(lines[1].removeprefix(r"\begin{tabular}").strip("{}"))}


def test_latex_has_score_and_speedup_with_intervals():
    rows = latex_rows(BASELINE, FAST, sample(variant="three", seeds=3, score_sd=0.012))
    assert {"cpu-pytorch", "90.0 [86.0, 94.0]", r"100.0\%", "2.50 [2.25, 2.75]", "10.00", "40"} <= set(rows["teacher+int8"])
    assert "90.0 ± 1.2 [86.0, 94.0]" in rows["three"]


def test_latex_marks_failing_and_noisy_rows_and_no_others():
    rows = latex_rows(FAST, FAST | {"variant": "bad", "passes_gate": False, "can_win": False}, FAST | {"variant": "late", "noisy": True})
    assert [name for name, cells in rows.items() if "fails" in cells] == ["bad"]
    assert [name for name, cells in rows.items() if "cpu-pytorch (noisy)" in cells] == ["late"]


def test_latex_escapes_names():
    written = text.latex(pd.DataFrame([sample(variant="50%_a&b")]))
    assert r"50\%\_a\&b & cpu-pytorch & " in written


def test_latex_has_no_bare_special_characters_in_its_head():
    assert not re.search(r"(?<!\\)[%_#]", "".join(text.latex(pd.DataFrame([FAST | {"metric": "macro_f1"}])).splitlines()[1:]))
