"""Whatever was measured, there is a report, and no figure in it is NaN or infinite."""

import re

import numpy as np
import pandas as pd
import pytest

from encoder_compression.data.tasks import regression
from encoder_compression.reporting.plots import plot
from saved_rows import LABELS, ONNX, TORCH, SavedStudy

NO_FIGURE = re.compile(r"\b(?:nan|inf|infinity)\b", re.IGNORECASE)
ALL, HALF, MOST = range(200), range(0, 200, 2), range(20, 200)  # examples that a row may have wrong


def save(study: SavedStudy, wrong: dict[str, range], **figures) -> None:
    """Save all rows of a study anew, each variant wrong on its own examples."""
    for row in study.study.table_rows():
        alone = row["folder"] == row["baseline"]
        study.save(row["variant"], row["device"], seed=row["seed"], wrong=wrong[row["variant"]], **({} if alone else figures))


def shown(written) -> str:
    """Return what a reader sees of a summary: Markdown, LaTeX and the page with its data, without its code."""
    return written.markdown + written.latex + re.sub("<script>.*?</script>", "", written.page, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("metric", "seeds", "baseline", "row", "labels"),
    [
        ("accuracy", (1,), ALL, ALL, LABELS),
        ("accuracy", (1, 2, 3), ALL, HALF, LABELS),
        ("accuracy", (1, 2, 3), HALF, HALF, LABELS),
        ("accuracy", (1, 2, 3), (), (), 0 * LABELS),
        ("matthews", (1,), MOST, ALL, LABELS),
    ],
    ids=["both score 0", "baseline scores 0", "both constant", "one class", "both below 0"],
)
def test_every_set_of_rows_has_a_report_without_a_figure_that_is_none(tmp_path, metric, seeds, baseline, row, labels):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", seeds=seeds, metric=metric, compare=[["teacher", "teacher+even1"]])
    save(study, {"teacher": baseline, "teacher+even1": row}, labels=labels)
    for seed in seeds:
        study.save("teacher", TORCH, seed=seed, wrong=baseline, labels=labels)
    written = study.summarize()
    assert NO_FIGURE.findall(shown(written)) == []
    csv = (tmp_path / "summary.csv").read_text(encoding="utf-8") + (tmp_path / "aggregate.csv").read_text(encoding="utf-8")
    assert not re.search(r"(^|,)(nan|-?inf)(,|$)", csv, re.MULTILINE)


NUMBERS = {
    "constant baseline": (np.linspace(0, 5, 30), np.full(30, 2.5), np.linspace(0, 4, 30)),
    "baseline below 0": (np.linspace(0, 5, 30), np.linspace(5, 0, 30), np.linspace(4, 0, 30)),
    "labels of one value": (np.full(30, 2.0), np.linspace(0, 5, 30), np.linspace(0, 4, 30)),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_every_set_of_numbers_has_a_report_too(tmp_path, case):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", task="regression", metric="pearson")
    labels, baseline, row_predictions = NUMBERS[case]
    for row in study.study.table_rows():
        predictions = baseline if row["variant"] == "teacher" else row_predictions
        columns = {"id": [str(n) for n in range(30)], "label": labels, "prediction": predictions, "tokens": [8] * 30}
        pd.DataFrame(columns).to_parquet(f"{row['folder']}/predictions.parquet")
    written = study.summarize(label_range=[0.0, 5.0])
    assert NO_FIGURE.findall(shown(written)) == []
    assert written.aggregate["retained"].isna().all()
    assert {"baseline_not_learnt", "baseline_suspect"} & set(written.facts["warnings"][0]["kinds"])


def test_retained_is_a_dash_where_the_baseline_scores_0_and_empty_in_csv(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", metric="matthews")
    save(study, {"teacher": HALF, "teacher+even1": range(20)}, labels=LABELS)
    study.save("teacher", TORCH, wrong=HALF)
    written = study.summarize(gate=0.9)
    assert plot(aggregate=tmp_path / "aggregate.csv", models=[], pretrained=[], profiles=[], folder=tmp_path / "plots")["pictures"]
    assert written.summary["retained"].isna().all() and written.aggregate["retained"].isna().all()
    line = next(line for line in written.markdown.splitlines() if line.startswith("| teacher+even1"))
    assert line.split(" | ")[3] == "–"
    card = (tmp_path / "results/mine/teacher+even1/seed1/model/README.md").read_text(encoding="utf-8")
    assert re.search(rf"\| {TORCH} \| 80.*? \| – \| ", card)


def test_ratios_without_any_spread_are_shown_without_an_interval(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    for row in study.study.table_rows():
        study.save(row["variant"], row["device"], ratios=None if row["folder"] == row["baseline"] else [2.0, 2.0, 2.0])
    written = study.summarize()
    assert NO_FIGURE.findall(shown(written)) == []
    assert "2.00x |" in written.markdown


def test_a_graph_without_matrix_products_has_a_row_too(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    study.save("teacher", ONNX, proof={"nodes": {"cpu": 1}, "matmuls": {}}, matrices=0)
    written = study.summarize()
    assert NO_FIGURE.findall(shown(written)) == []


def test_the_recall_of_a_class_without_examples_is_no_figure(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=0 * LABELS, wrong=range(20))
    assert study.aggregate()["recall_1"].isna().all()
    assert study.aggregate()["recall_0"].tolist() == [0.9, 0.9]


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_labels_without_spread_have_no_correlation_instead_of_nan(metric):
    labels, predictions = np.full(5, 2.0), np.arange(5.0)
    assert regression.SCORES[metric](labels, predictions) == regression.SCORES[metric](predictions, labels) == 0


def test_plots_of_rows_far_below_a_baseline_that_is_no_row_still_show_them(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    study.save("teacher+int8", ONNX, wrong=range(120))
    study.summarize()
    plot(aggregate=tmp_path / "aggregate.csv", models=[], pretrained=[], profiles=[], folder=tmp_path / "plots")
    assert "<!-- int8 -->" in (tmp_path / "plots/quality_latency.svg").read_text(encoding="utf-8")


def test_an_interval_that_does_not_hold_its_score_is_drawn(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    study.summarize()
    table = pd.read_csv(tmp_path / "aggregate.csv").assign(score_ci_low=0.95, score_ci_high=0.97)
    table.to_csv(tmp_path / "aggregate.csv", index=False)
    assert plot(aggregate=tmp_path / "aggregate.csv", models=[], pretrained=[], profiles=[], folder=tmp_path / "plots")["pictures"]


def test_what_the_preparation_dropped_and_warned_of_is_shown(tmp_path):
    dropped = {"train": {"repeated text": 1234, "empty text": 0}, "test": {"empty text": 3}}
    sentence = "Labels of 7 rows were <guessed>."
    written = SavedStudy(tmp_path, "teacher").summarize(dropped=dropped, warnings=[sentence])
    assert f"\n- {sentence}\n" in written.markdown.partition("## Warnings")[2]
    assert "<li>Labels of 7 rows were &lt;guessed&gt;.</li>" in written.page
    assert "- train: 1 sentence; left out: 1,234 (repeated text)\n- validation: 1 sentence\n" in written.markdown
    cells = [re.sub("<.*?>", "", cell).strip() for cell in re.findall("<td.*?</td>", written.page.partition('id="splits"')[2], re.DOTALL)]
    assert cells[:6] == ["1", "1,234 (repeated text)", "1", "none", "200", "3 (empty text)"]
