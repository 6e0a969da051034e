"""The LaTeX tables explain themselves, escape what people name, and fit a page of A4 in a real LaTeX."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from encoder_compression.reporting.latex import latex
from encoder_compression.reporting.pairs import _columns
from saved_rows import SavedStudy, ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, p_holm=None, **ratio("speedup", 1.0, None, None))
FAST = sample(variant="teacher+int8", **ratio("speedup", 2.5, 2.25, 2.75), **ratio("speedup_compression", 2.5, 2.2, 2.8))
NO_PAIRS = pd.DataFrame(columns=_columns())


def write(*rows: dict, pairs=NO_PAIRS) -> str:
    return latex(pd.DataFrame(rows).assign(experiment="mine"), pairs)


def cells(written: str) -> dict[str, list[str]]:
    """Return the cells of every line of the tables by the line's first cell."""
    lines = [line.removesuffix(r"\\").split("&") for line in written.splitlines() if line.endswith(r"\\")]
    return {line[0].strip(): [cell.strip() for cell in line] for line in lines}


def test_every_device_has_a_table_of_booktabs_with_its_rows():
    written = write(BASELINE, FAST, FAST | {"variant": "there", "device": "cpu-onnxruntime"})
    assert [line for line in written.splitlines() if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"] * 2
    assert re.findall(r"caption\{mine on ([\w-]+)\.", written) == ["cpu-pytorch", "cpu-onnxruntime"]
    assert list(cells(written)) == ["Variant", "teacher", "teacher+int8", "there"]
    assert {len(line) for line in cells(written).values()} == {9}


def test_figures_have_their_intervals_and_the_caption_says_what_they_are():
    written = write(BASELINE, FAST | {"p_holm": 0.0004}, sample(variant="three", seeds=3, score_sd=0.012, p_holm=0.034))
    assert cells(written)["teacher+int8"][2:] == ["90.0 [86.0, 94.0]", "100.0", "$<$0.001", "2.50 [2.25, 2.75]", "10.00", "40", "40"]
    assert cells(written)["three"][2:5] == ["90.0 ± 1.2 [86.0, 94.0]", "100.0", "0.034"]
    assert cells(written)["teacher"][4:6] == ["–", "1"]
    for words in (
        r"$\pm$ the standard deviation",
        r"95\,\% confidence interval in brackets",
        "corrected for all devices of the variant",
        r"$\times$: cannot",
    ):
        assert words in written


def test_what_has_no_figure_is_a_dash():
    assert cells(write(BASELINE | {"retained": None}, FAST | {"retained": float("nan")}))["teacher+int8"][3] == "–"


def test_rows_that_cannot_win_and_noisy_rows_are_marked_and_no_others():
    rows = cells(write(FAST, FAST | {"variant": "bad", "can_win": False}, FAST | {"variant": "late", "noisy": True}))
    assert {name: line[1] for name, line in rows.items()} == {"Variant": "", "teacher+int8": "", "bad": r"$\times$", "late": r"$\sim$"}


def test_names_are_escaped():
    written = write(sample(variant=r"50%_a&b\c", device="my_gpu", metric="macro_f1"))
    assert r"50\%\_a\&b\textbackslash{}c & " in written.replace(" &  & ", " & ")
    assert r"on my\_gpu." in written and r"Macro f1 (\%)" in written


def test_pairs_that_were_compared_have_a_table_with_p_values_and_costs(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", compare=[["teacher", "teacher+even1"]])
    study.save("teacher+even1", "cpu-pytorch", wrong=range(60), ratios=2.0)
    (line,) = [line for line in study.summarize().latex.splitlines() if line.startswith("teacher & teacher+even1")]
    difference, p, training, speedup, size = [cell.strip() for cell in line.removesuffix(r"\\").split("&")][3:]
    assert re.fullmatch(r"\+20.0 \[1\d\.\d, 2\d\.\d\]", difference)
    assert (p, training, speedup, size) == ("$<$0.001", "60 / 90", "1.00 / 2.00", "4 / 4")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_study_with_long_names_fits_a_portrait_page_of_a_real_latex(tmp_path):
    rows = [FAST | {"variant": f"teacher+even{n}+magnitude60+width40_slowly+int8", "seeds": 3, "score_sd": 0.012} for n in range(30)]
    pair = {name: 0.1 for name in NO_PAIRS} | {"p_holm": 0.0001, "device": "cpu-pytorch", "metric": "macro_f1"}
    pair |= {"variant": "teacher+even3+magnitude60+int8", "other": "teacher+odd3+magnitude60+int8"}
    table = write(BASELINE | {"can_win": False, "noisy": True}, *rows, pairs=pd.DataFrame([pair]))
    packages = r"\usepackage[a4paper]{geometry}\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage{graphicx}"
    (tmp_path / "paper.tex").write_text(rf"\documentclass{{article}}{packages}\begin{{document}}{table}\end{{document}}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.findall(r"(Overfull|Missing character|Float too large).*", done.stdout) == []
