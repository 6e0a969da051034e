"""One rule says which rows can win: the budget decides, narrowed by a quality gate, and what has learnt nothing never wins."""

import math

import numpy as np
import pytest

from encoder_compression.data import tasks
from encoder_compression.reporting.standing import Limits, columns, exclusions
from encoder_compression.reporting.study_warnings import cautions, warnings
from encoder_compression.statistics import quality
from saved_rows import DEVICES, LABELS, ONNX, TORCH, SavedStudy, change, sample


def why(row: dict, points: float = 1) -> dict[str, str]:
    """Return the reasons why a row cannot win, by their codes."""
    return {reason.kind: reason.text for reason in exclusions(row | {"allowed_points": points})}


def test_a_drop_beyond_the_budget_excludes_a_row():
    row = sample(**change(-0.0096, -0.02, 0.001, 0.2))
    assert why(row) == {}
    assert list(why(row, points=0.9)) == ["beyond_budget"]


@pytest.mark.parametrize(
    ("points", "retained", "baseline", "allowed"),
    [
        (1, None, 0.9, 1),
        (1, 0.99, 0.9, 0.9),
        (0.5, 0.99, 0.9, 0.5),
        (1, 0.9, 0.9, 1),
        (1, 0.99, 0.0, 0),
        (1, 0.99, -0.2, 0),
        (1, 1, 0.9, 0),
    ],
)
def test_a_quality_gate_narrows_the_budget_and_is_no_second_rule(points, retained, baseline, allowed):
    """At a score of 90 % a gate of 99 % leaves 0.9 points; where a baseline has nothing to retain, nothing may be lost."""
    assert 100 * Limits(points=points, retained=retained).allowed(baseline) == pytest.approx(allowed)


def test_the_reason_says_by_how_much():
    row = sample(score=0.8, **change(-0.1, -0.12, -0.08, 0.001))
    assert all(figure in why(row)["beyond_budget"] for figure in ("10.00 points", "1 point"))


def test_a_reason_never_rounds_a_figure_to_its_limit():
    row = sample(**change(-0.010004, -0.02, 0.001, 0.2))
    assert "1.0004 points" in why(row)["beyond_budget"]


def test_a_row_that_uses_up_the_whole_budget_can_win():
    assert why(sample(**change(178 / 200 - 180 / 200, -0.02, 0.0, 0.5))) == {}


@pytest.mark.parametrize("score", [0.5, 0.4])
def test_a_row_no_better_than_a_constant_cannot_win_within_any_budget(score):
    reasons = why(sample(score=score), points=100)
    assert list(reasons) == ["no_better_than_constant"]
    assert f"{score:.1%}" in reasons["no_better_than_constant"] and "50.0%" in reasons["no_better_than_constant"]
    assert why(sample(score=0.51), points=100) == {}


def test_a_row_with_one_answer_cannot_win_and_says_with_how_many_seeds():
    assert list(why(sample(score=0.5, seeds_of_one_class=1))) == ["one_answer"]
    assert "2 of 3 seeds" in why(sample(seeds=3, seeds_of_one_class=2))["one_answer"]


def test_what_excludes_a_row_is_told_in_codes_in_tags_and_in_words():
    row = sample(score=0.4, **change(-0.2, -0.3, -0.1, 0.001))
    shown = columns([exclusions(row), []])
    assert shown["can_win"] == [False, True]
    assert shown["excluded_kinds"] == ["no_better_than_constant beyond_budget", ""]
    assert shown["excluded"] == ["no better than a constant, beyond the budget", ""]
    assert [text.count("; ") for text in shown["why_excluded"]] == [1, 0]


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
    table = confused.table()
    caution = warnings(table, table.over_seeds)[0]
    assert (caution.kind, caution.facts) == ("baseline_suspect", {"variant": "teacher", "score": 0.1, "constant_score": 0.55})
    assert "dataset.label_map" in caution.text
    assert cautions(table) == {TORCH: caution, ONNX: caution}
    written = confused.summarize()
    answer = written.markdown.partition("## At most 1 point of loss")[2].partition("##")[0]
    assert answer.count(caution.text) == 1
    shown = written.page.partition("<script")[0].count(caution.text.replace("'", "&#39;"))
    assert shown == 1 + len(DEVICES)  # a warning, and in each device's answer
    smallest = {answer["device"]: answer["smallest"]["kinds"] for answer in written.facts["answers"]}
    assert smallest == dict.fromkeys(DEVICES, ["no_winner", "none_better_than_constant"])
    assert written.aggregate["excluded_kinds"].eq("no_better_than_constant").all()


def test_a_baseline_better_than_any_constant_is_not_called_out(tmp_path):
    assert cautions(SavedStudy(tmp_path, "teacher").table()) == {}


def test_a_baseline_that_is_a_constant_has_learnt_nothing_whatever_the_labels_order(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    labels = np.where(np.arange(200) < 120, 0, 1)
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=labels, wrong=range(120))
    (caution,) = set(cautions(study.table()).values())
    assert (caution.kind, caution.facts["score"], caution.facts["constant_score"]) == ("baseline_not_learnt", 0.4, 0.6)
    assert "label_map" not in caution.text


def test_the_baseline_is_judged_where_it_is_no_row(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    study.save("teacher", TORCH, wrong=range(200))
    assert cautions(study.table())[ONNX].facts == {"variant": "teacher", "score": 0.0, "constant_score": 0.5}


def test_labels_of_one_class_leave_every_row_no_better_than_a_constant(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=np.zeros_like(LABELS), wrong=range(20))
    assert study.aggregate()["excluded_kinds"].eq("no_better_than_constant").all()
