"""The table is computed from saved files, keeps both factors of a speed-up, and says what it shows."""

import json

import numpy as np
import pandas as pd
import pytest

from encoder_compression import provenance
from encoder_compression.plots import pareto_front
from encoder_compression.summary import COLUMNS, summarize

LABELS = np.arange(200) % 2


def save_row(folder, *, mistakes: range, ms: float, partner_ms: float | None, runtime="pytorch", parameters=100, zeros=0, foreign=0.0):
    folder.mkdir(parents=True)
    predictions = LABELS.copy()
    predictions[list(mistakes)] = 1 - predictions[list(mistakes)]
    pd.DataFrame({"id": range(200), "label": LABELS, "prediction": predictions}).to_parquet(folder / "predictions.parquet")
    rounds = [{"latencies_ms": [ms] * 10, "partner_latencies_ms": [partner_ms] * 10 if partner_ms else None}] * 3
    measured = {"rounds": rounds, "device": {"runtime": runtime}, "sentences": 200, "predict_seconds": 2.0, "memory_mb": 10.0}
    measured |= {"size_mb": 4.0, "parameters": parameters, "zeros": zeros, "foreign_cpu_share": foreign}
    (folder / "measurement.json").write_text(json.dumps(measured))


def name_row(root, variant, device, folder, same_runtime, trained) -> dict:
    return {
        "variant": variant,
        "seed": 1,
        "device": device,
        "folder": str(root / folder),
        "baseline": str(root / "base"),
        "same_runtime": str(root / same_runtime),
        "trained": [str(root / model) for model in trained],
    }


@pytest.fixture
def summary(tmp_path):
    """A teacher, a student that is worse than its control, a pruned model and a graph, with known figures."""
    for model, seconds in (("teacher", 60), ("student", 20)):
        (tmp_path / model).mkdir()
        provenance.write(tmp_path / model, options={}, inputs={}, seconds=0, facts={"training_seconds": seconds})
    save_row(tmp_path / "base", mistakes=range(20), ms=12, partner_ms=None)
    save_row(tmp_path / "even3", mistakes=range(60), ms=6, partner_ms=12)
    save_row(tmp_path / "control", mistakes=range(30), ms=6, partner_ms=12)
    save_row(tmp_path / "zeros", mistakes=range(20), ms=12, partner_ms=12, zeros=50)
    save_row(tmp_path / "graph", mistakes=range(20), ms=6, partner_ms=12, runtime="onnxruntime")
    save_row(tmp_path / "int8", mistakes=range(22), ms=2, partner_ms=6, runtime="onnxruntime", foreign=0.3)
    rows = [
        ("teacher", "cpu-pytorch", "base", "base", ["teacher"]),
        ("teacher+even3", "cpu-pytorch", "even3", "base", ["teacher", "student"]),
        ("teacher+even3-control", "cpu-pytorch", "control", "base", ["teacher", "student"]),
        ("teacher+magnitude60", "cpu-pytorch", "zeros", "base", ["teacher"]),
        ("teacher", "cpu-onnxruntime", "graph", "graph", ["teacher"]),
        ("teacher+int8", "cpu-onnxruntime", "int8", "graph", ["teacher"]),
    ]
    summarize(
        experiment="mine",
        metric="accuracy",
        rows=[name_row(tmp_path, *row) for row in rows],
        csv=tmp_path / "summary.csv",
        markdown=tmp_path / "summary.md",
    )
    table = pd.read_csv(tmp_path / "summary.csv").set_index(["variant", "device"])
    return table, (tmp_path / "summary.md").read_text()


def test_the_columns_are_those_promised(summary):
    table, _ = summary
    assert [*table.reset_index().columns.sort_values()] == sorted(COLUMNS)


def test_the_baseline_need_not_be_a_row(summary, tmp_path):
    files = {"csv": tmp_path / "alone.csv", "markdown": tmp_path / "alone.md"}
    rows = [name_row(tmp_path, "teacher+int8", "cpu-onnxruntime", "int8", "graph", ["teacher"])]
    summarize(experiment="mine", metric="accuracy", rows=rows, **files)
    assert pd.read_csv(files["csv"])["speedup"].tolist() == [6]


def test_a_speedup_is_the_product_of_runtime_and_compression(summary):
    row = summary[0].loc[("teacher+int8", "cpu-onnxruntime")]
    assert (row["speedup_runtime"], row["speedup_compression"], row["speedup"]) == (2, 3, 6)
    alone = summary[0].loc[("teacher", "cpu-onnxruntime")]
    assert (alone["speedup_runtime"], alone["speedup_compression"], alone["speedup"]) == (2, 1, 2)


def test_scores_come_from_the_saved_predictions(summary):
    row = summary[0].loc[("teacher+int8", "cpu-onnxruntime")]
    assert row["score"] == pytest.approx(178 / 200)
    assert row["retained"] == pytest.approx(178 / 180, rel=1e-4)
    assert row["agreement"] == pytest.approx(198 / 200)
    assert row["score_ci_low"] < row["score"] < row["score_ci_high"]


def test_training_time_counts_the_whole_chain(summary):
    assert summary[0]["training_seconds"].tolist() == [60, 80, 80, 60, 60, 60]


def test_the_text_says_what_distillation_really_adds(summary):
    assert "teacher+even3, seed 1: distillation changes accuracy by -15.0 points" in summary[1]
    assert "a difference (McNemar p =" in summary[1]


def test_a_row_of_zeros_says_that_they_save_nothing(summary):
    assert "teacher+magnitude60 on cpu-pytorch: 50% of all parameters are zero, yet the file is as large" in summary[1]
    assert "dense kernels run it at 1.00x" in summary[1]


def test_a_disturbed_measurement_is_flagged(summary):
    assert "teacher+int8 on cpu-onnxruntime, seed 1: other programs took 30% of the processors" in summary[1]
    assert summary[1].count("other programs took") == 1


def test_the_pareto_front_holds_what_nothing_beats():
    cost, score = np.array([1.0, 2, 3, 4, 2]), np.array([0.5, 0.7, 0.6, 0.9, 0.65])
    assert pareto_front(cost, score).tolist() == [0, 1, 3]
