"""New data are read as the study read its own, and clauses are judged by the figures and bounds that they give."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import ROOT
from encoder_compression.contract import fresh_data
from encoder_compression.contract.fresh_clauses import Fresh, clauses
from encoder_compression.errors import UserError

CERTIFICATE = {
    "task": "classification",
    "metric": "accuracy",
    "classes": ["negative", "positive"],
    "data": {"columns": {"text": "text", "label": "rating"}},
    "baseline": {"variant": "teacher", "score": 0.9},
}
NAMES = {"text": None, "text_pair": None, "label": None}


def read(folder, table: pd.DataFrame, named: dict | None = None, **changes) -> fresh_data.Examples:
    table.to_csv(folder / "new.csv", index=False)
    return fresh_data.read(folder / "new.csv", CERTIFICATE | changes, **NAMES | (named or {}))


def table(labels: list, column: str = "rating") -> pd.DataFrame:
    return pd.DataFrame({"text": [f"a film of row {number}" for number in range(len(labels))], column: labels})


@pytest.mark.parametrize(
    ("labels", "numbers", "data"),
    [
        (["positive", "Negative ", "positive"], [1, 0, 1], {}),
        ([1, 0, 1], [1, 0, 1], {}),
        ([5, 2, 5], [1, 0, 1], {}),  # two numbers, in their order
        ([1, 1, 1], [1, 1, 1], {}),
        (["good", "bad", "good"], [1, 0, 1], {"label_map": {"good": "positive", "bad": "negative"}}),
        ([3.5, -1.25, 0.5], [1, 0, 1], {"threshold": 0}),
        (["positive", "negative", "positive"], [1, 0, 1], {"threshold": 0}),  # the study had ratings, this table has names
    ],
    ids=["names", "numbers", "other numbers", "one class", "mapped", "ratings", "names of halves"],
)
def test_labels_are_the_classes_however_they_are_written(tmp_path, labels, numbers, data):
    examples = read(tmp_path, table(labels), data=CERTIFICATE["data"] | data)
    assert examples.labels.tolist() == numbers
    assert examples.inputs == table(labels)["text"].tolist()


def test_a_rating_at_the_threshold_has_no_side_and_is_left_out(tmp_path):
    examples = read(tmp_path, table([3.5, 0.0, -2.0]), data=CERTIFICATE["data"] | {"threshold": 0})
    assert examples.labels.tolist() == [1, 0]
    assert examples.inputs == ["a film of row 0", "a film of row 2"]


@pytest.mark.parametrize("column", ["stars", "label"])
def test_columns_of_other_names_are_told_or_known(tmp_path, column):
    named = {"label": "stars"} if column == "stars" else {}
    assert read(tmp_path, table(["positive", "negative"], column), named).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "named", "message"),
    [
        (
            ["happy", "sad"],
            {},
            "new.csv: the labels happy, sad are not the model's classes negative, positive; name their column by --label",
        ),
        ([1, 2, 3], {}, "the labels 1, 2, 3 are not the model's classes"),
        (["positive", "negative"], {"label": "mood"}, "has no column 'mood'"),
    ],
)
def test_what_is_no_data_for_the_task_is_one_line(tmp_path, labels, named, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, table(labels), named)
    assert "\n" not in str(error.value)


def test_questions_are_read_with_their_answers(tmp_path):
    columns = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}
    certificate = CERTIFICATE | {"task": "question-answering", "data": {"columns": columns}}
    examples = fresh_data.read(ROOT / "tests/data/tiny_squad.json", certificate, **NAMES)
    content = json.loads((ROOT / "tests/data/tiny_squad.json").read_text(encoding="utf-8"))["data"]
    asked = [each["question"] for article in content for paragraph in article["paragraphs"] for each in paragraph["qas"]]
    assert [each["question"] for each in examples.inputs] == asked
    assert len(examples.labels) == len(asked)


def judged(*asked: dict, right: int = 180, of: int = 200, memory_mb=(80.0, 90.0, 100.0), ms=(2.0, 2.2, 2.4)) -> list[dict]:
    """Return the clauses of a delivery that is ``right`` about so many examples, half of which are positive."""
    labels = np.arange(of) % 2
    wrong = np.arange(of) >= right
    answers = [
        {"label": CERTIFICATE["classes"][label ^ miss], "flagged": bool(label)}
        for label, miss in zip(labels, wrong.astype(int), strict=True)
    ]
    launches = [
        {"latencies_ms": [time] * 5, "end_to_end_ms": [time] * 5, "memory_mb": held} for time, held in zip(ms, memory_mb, strict=True)
    ]
    return clauses(Fresh(CERTIFICATE | {"clauses": list(asked)}, labels, answers, launches, size_mb=17.5))


def asked(name: str, **limit: float) -> dict:
    return {"clause": name, "value": 0.5, "lower_bound": 0.4, "upper_bound": 0.6, "verdict": "kept"} | limit


@pytest.mark.parametrize(("right", "verdict"), [(190, "kept"), (180, "open"), (150, "exceeded")])
def test_the_budget_is_judged_against_the_baselines_score_in_the_certificate(right, verdict):
    (clause,) = judged(asked("budget", at_least=-0.02), right=right)
    assert clause["value"] == pytest.approx(right / 200 - 0.9)
    exact = stats.beta.ppf(0.05, right, 200 - right + 1) - 0.9  # of Clopper and Pearson
    assert clause["lower_bound"] == pytest.approx(exact, abs=0.004)
    assert clause["verdict"] == verdict


def test_the_best_constant_is_that_of_the_new_labels():
    clause, lower = judged(asked("constant", above=0.7)), judged(asked("constant", above=0.2), right=90)
    assert (clause[0]["above"], clause[0]["value"], clause[0]["verdict"]) == (0.5, 0.9, "kept")
    assert (lower[0]["above"], lower[0]["verdict"]) == (0.5, "exceeded")


def test_latency_has_the_bounds_of_three_starts_and_size_none():
    latency, size, memory = judged(asked("latency_ms", at_most=3), asked("size_mb", at_most=17), asked("memory_mb", at_most=95))
    spread = np.log([2.0, 2.2, 2.4])
    half = stats.t.ppf(0.95, 2) * spread.std(ddof=1) / np.sqrt(3)
    assert latency["value"] == 2.2
    assert (latency["lower_bound"], latency["upper_bound"]) == pytest.approx((2.2 * np.exp(-half), 2.2 * np.exp(half)))
    assert (size["value"], size["lower_bound"], size["upper_bound"], size["verdict"]) == (17.5, 17.5, 17.5, "exceeded")
    assert (memory["value"], memory["lower_bound"], memory["upper_bound"], memory["verdict"]) == (90, 80, 100, "open")


def test_recall_is_that_of_the_flagged_examples_and_what_needs_the_baseline_is_left_out():
    recall = asked("recall", at_least=0.9) | {"label": "positive", "false_positive_rate": 0.05, "log_odds": [0.1]}
    measured_anew = judged(recall, asked("agreement", at_least=0.9), asked("worst_slice", at_least=0.5))
    assert [clause["clause"] for clause in measured_anew] == ["recall"]
    assert (measured_anew[0]["value"], measured_anew[0]["verdict"]) == (1.0, "kept")
    assert "log_odds" not in measured_anew[0]


def test_a_pair_whose_columns_are_called_otherwise_must_be_named():
    certificate = {"task": "regression", "data": {"columns": {"text": "first", "text_pair": "second", "label": "score"}}}
    frame = pd.DataFrame({"left": ["a film here"], "right": ["a film there"], "score": [1.5]})
    nothing = {"text": None, "text_pair": None, "label": None}
    message = "new.csv has no column 'second', which the study read as its text_pair; name it by --text-pair$"
    with pytest.raises(UserError, match=message):
        fresh_data._columns(frame, certificate, nothing, Path("new.csv"))
    named = fresh_data._columns(frame, certificate, nothing | {"text": "left", "text_pair": "right"}, Path("new.csv"))
    assert named == {"text": "left", "text_pair": "right", "label": "score"}
