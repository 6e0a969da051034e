"""One rule says which rows can win: the budget decides, a quality gate only where one is set, and what has learnt nothing never wins."""

import math

import numpy as np
import pytest

from encoder_compression.data import tasks
from encoder_compression.reporting.standing import Limits, exclusions
from encoder_compression.reporting.study_warnings import cautions, warnings
from encoder_compression.statistics import quality
from saved_rows import DEVICES, LABELS, ONNX, TORCH, SavedStudy, change, sample


def why(row: dict, points: float = 1, retained: float | None = None) -> dict[str, str]:
    return exclusions(row, Limits(points=points, retained=retained))


def test_without_a_gate_the_budget_alone_decides():
    """At a score of 90 % a gate of 99 % would allow 0.90 points, so that two rules answered at once."""
    row = sample(retained=0.8904 / 0.9, **change(-0.0096, -0.02, 0.001, 0.2))
    assert why(row) == {}
    assert list(why(row, retained=0.99)) == ["below the gate"]
    assert list(why(row, points=0.9)) == ["beyond the budget"]


def test_the_reason_says_by_how_much():
    row = sample(score=0.8, retained=0.8 / 0.9, **change(-0.1, -0.12, -0.08, 0.001))
    assert why(row)["beyond the budget"] == "its accuracy drops by 10.00 points, beyond the budget of 1 point"
    assert why(row, retained=0.9)["below the gate"] == "it retains 88.89% of the baseline's accuracy, below the quality gate of 90%"


def test_a_reason_never_rounds_a_figure_to_its_limit():
    row = sample(**change(-0.010004, -0.02, 0.001, 0.2))
    assert why(row)["beyond the budget"] == "its accuracy drops by 1.0004 points, beyond the budget of 1 point"


def test_a_row_that_uses_up_the_whole_budget_can_win():
    assert why(sample(**change(178 / 200 - 180 / 200, -0.02, 0.0, 0.5))) == {}


@pytest.mark.parametrize("retained", [None, math.nan])
def test_nothing_passes_a_gate_where_the_baseline_has_nothing_to_retain(retained):
    row = sample(retained=retained)
    assert why(row) == {}
    assert "the baseline's score is not above 0" in why(row, retained=0.9)["below the gate"]
    assert why(row | {"is_baseline": True}, retained=0.9) == {}


@pytest.mark.parametrize(("score", "words"), [(0.5, "no better than the 50.0% of"), (0.4, "below the 50.0% of")])
def test_a_row_no_better_than_a_constant_cannot_win_within_any_budget(score, words):
    reason = why(sample(score=score), points=100)
    assert reason == {"no better than a constant": f"it scores {score:.1%}, {words} always predicting 'bad'"}
    assert why(sample(score=0.51), points=100) == {}


def test_a_row_with_one_answer_cannot_win_and_says_with_how_many_seeds():
    assert list(why(sample(score=0.5, seeds_of_one_class=1))) == ["one answer only"]
    assert why(sample(seeds=3, seeds_of_one_class=2))["one answer only"].startswith("with 2 of 3 seeds it predicts the same for every sent")


@pytest.mark.parametrize(("score", "baseline", "share"), [(0.45, 0.9, 0.5), (-0.1, 0.5, -0.2), (0.2, 0, None), (-0.2, -0.1, None)])
def test_a_share_is_retained_only_of_a_score_above_0(score, baseline, share):
    assert quality.retained(score, baseline) == pytest.approx(math.nan if share is None else share, nan_ok=True)


@pytest.mark.parametrize(
    ("task", "metric", "labels", "score", "words"),
    [
        ("classification", "accuracy", np.array([0, 1, 1, 2]), 0.5, "always predicting 'fine'"),
        ("classification", "f1", np.array([0, 1, 1, 0]), 2 / 3, "always predicting 'fine'"),
        ("classification", "macro_f1", np.array([0, 0, 0, 1]), 3 / 7, "always predicting 'dull'"),
        ("classification", "matthews", np.array([0, 1, 1, 1]), 0, "always predicting 'dull'"),
        ("regression", "pearson", np.array([0.5, 1.5]), 0, "always predicting the same number"),
        ("question-answering", "f1", [["Anna"], [], [], ["Bo"]], 0.5, "answering nothing"),
        ("question-answering", "exact_match", [["Anna"], ["Bo"]], 0, "answering nothing"),
        ("masked-language-modelling", "masked_accuracy", [[7, 7, 3], [7, 5, 5]], 0.5, "always predicting the commonest token"),
    ],
)
def test_the_best_constant_prediction_is_known_for_every_task(task, metric, labels, score, words):
    names = ["dull", "fine", "odd"] if metric == "accuracy" else ["dull", "fine"]
    assert tasks.load(task).best_constant(labels, metric, {"labels": names}) == (pytest.approx(score), words)


@pytest.fixture
def confused(tmp_path) -> SavedStudy:
    """A study whose baseline has the classes the wrong way round: 20 of 200 right, where a class has 110."""
    labels = np.where(np.arange(200) < 110, 0, 1)
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    for row in study.study.table_rows():
        study.save(row["variant"], row["device"], wrong=range(20, 200), labels=labels)
    return study


def test_a_baseline_below_a_constant_is_called_out_in_the_warnings_and_in_the_answer(confused):
    sentence = (
        "The baseline teacher scores 10.0%, below the 55.0% of always predicting 'bad': "
        "check the labels' order (dataset.label_map) before trusting any row."
    )
    table = confused.table()
    assert warnings(table, table.over_seeds)[0] == sentence
    assert set(cautions(table)) == {TORCH, ONNX}
    written = confused.summarize()
    answer = written.markdown.partition("## At most 1 point of loss")[2].partition("##")[0]
    assert sentence in answer and "smallest none: no variant scores better than always predicting 'bad'" in answer
    assert written.page.count(sentence.replace("'", "&#39;")) == 1 + len(DEVICES)  # among the warnings, and in the answer of each device
    assert "it scores 10.0%, below the 55.0% of always predicting 'bad'" in written.aggregate["verdict"][0]


def test_a_baseline_better_than_any_constant_is_not_called_out(tmp_path):
    assert cautions(SavedStudy(tmp_path, "teacher").table()) == {}


def test_a_baseline_that_is_a_constant_has_learnt_nothing_whatever_the_labels_order(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    labels = np.where(np.arange(200) < 120, 0, 1)
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=labels, wrong=range(120))
    (sentence,) = set(cautions(study.table()).values())
    assert sentence.startswith("The baseline teacher scores 40.0%, below the 60.0% of always predicting 'bad': it has learnt nothing")
    assert "label_map" not in sentence


def test_the_baseline_is_judged_where_it_is_no_row(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    study.save("teacher", TORCH, wrong=range(200))
    assert "The baseline teacher scores 0.0%, below the 50.0% of" in cautions(study.table())[ONNX]


def test_labels_of_one_class_leave_every_row_no_better_than_a_constant(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=np.zeros_like(LABELS), wrong=range(20))
    assert study.aggregate()["excluded"].eq("no better than a constant").all()
