"""A search with folds scores what all folds leave out together, ends bad trials after a fold, and goes on at the fold where it was."""

import itertools
import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from encoder_compression.data import tasks
from encoder_compression.data.folds import cut_fold
from encoder_compression.search import cross_validation, held_out, trials
from encoder_compression.search.choice import choose
from encoder_compression.search.cross_validation import Pool, parts_of
from encoder_compression.training.train import Goal

SEARCH = {"trials": 6, "sampler": "tpe", "objectives": ["score"], "within": 0.005, "workers": 1, "version": 1, "folds": 3}
SEARCH |= {"space": {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}}
SIZES = (4, 5, 6)


@pytest.fixture(scope="module")
def parts(tmp_path_factory, dataset) -> list[dict]:
    folder = tmp_path_factory.mktemp("folds")
    for number in (1, 2, 3):
        cut_fold(dataset=dataset, output=folder / str(number), number=number, count=3, seed=1)
    return [{"dataset": folder / str(number)} for number in (1, 2, 3)]


@pytest.fixture
def work(tmp_path, monkeypatch, parts):
    """Return a function that works trials which do not train: ``right`` says how many examples of a fold a model has right."""

    def of_right(right, **changes):
        def finetune(*, goal, options, model, curve):
            model.mkdir()
            (model / "right").write_text(str(right(int(goal.dataset.name), options)), encoding="utf-8")
            return {"validation_score": 0.5}

        def predict(*, model, dataset, technique, options, metric):
            count, hits = SIZES[int(dataset.name) - 1], int((model / "right").read_text(encoding="utf-8"))
            return {"label": [1] * count, "prediction": [1] * hits + [0] * (count - hits)}

        monkeypatch.setattr("encoder_compression.techniques.finetune.finetune", finetune)
        monkeypatch.setattr(held_out, "predict", predict)
        monkeypatch.setattr(cross_validation, "multiplications", lambda model: 10 * int(model.parent.name))
        output = tmp_path / "worker1" / "trials.json"
        output.parent.mkdir(exist_ok=True)
        goal = Goal(dataset=parts[0]["dataset"], metric="accuracy", seed=1, name="search")
        step = {"technique": "finetune", "options": {"training": {"learning_rate": 1.0}}}
        return trials.work(
            parts=parts, goal=goal, search=SEARCH | changes, worker=1, journal=tmp_path / "journal.log", output=output, **step
        )

    return of_right


def table_of(folder: Path, **changes) -> tuple[dict, pd.DataFrame]:
    best, table, picture = (folder / name for name in ("best.json", "trials.csv", "search"))
    report = [folder / "worker1" / "trials.json"]
    choose(step="mine", search=SEARCH | changes, journal=folder / "journal.log", workers=report, best=best, table=table, picture=picture)
    return json.loads(best.read_text(encoding="utf-8")), pd.read_csv(table)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("accuracy", lambda labels, predictions: np.mean(np.equal(labels, predictions))),
        ("f1", f1_score),
        ("matthews", matthews_corrcoef),
    ],
)
def test_the_pooled_score_is_the_metric_of_all_predictions_together_and_no_mean_of_folds(metric, reference):
    folds = [
        {"label": [0, 1, 1, 1, 1], "prediction": [0, 1, 1, 1, 0]},
        {"label": [0, 0, 0, 1], "prediction": [1, 0, 1, 0]},
        {"label": [0, 0, 1], "prediction": [0, 0, 1]},
    ]
    labels, predictions = (sum((fold[name] for fold in folds), []) for name in ("label", "prediction"))
    pool = Pool(tasks.load("classification"), metric, folds)
    assert pool.score() == pytest.approx(reference(labels, predictions))
    of_each = [reference(fold["label"], fold["prediction"]) for fold in folds]
    assert pool.facts()["fold_scores"] == pytest.approx(of_each)
    assert pool.score() != pytest.approx(np.mean(of_each))
    assert pool.facts()["examples"] == 12


def test_a_trial_is_scored_on_all_that_the_folds_leave_out(work, tmp_path):
    """Of 15 examples 2 + 4 + 6 are right: the pooled accuracy is 12 / 15, the mean of the folds (1/2 + 4/5 + 1) / 3."""
    work(lambda number, options: 2 * number, trials=1)
    best, table = table_of(tmp_path, trials=1)
    assert table["score"].tolist() == [0.8] and best["score"] == 0.8
    assert table[["score_fold1", "score_fold2", "score_fold3"]].to_numpy().tolist() == [[0.5, 0.8, 1.0]]
    error = np.std([1] * 12 + [0] * 3, ddof=1) / np.sqrt(15)
    assert table["standard_error"].tolist() == pytest.approx([error])
    assert (best["folds"], best["examples"], best["standard_error"]) == (3, 15, pytest.approx(error))
    assert "score on 15 examples in 3 folds" in (tmp_path / "search.svg").read_text(encoding="utf-8")


def test_a_trial_below_the_median_ends_after_one_fold(work, tmp_path):
    """Five trials have 3 of 4 right in the first fold; the sixth has one, and is not trained in the others."""
    trained = []

    def right(number, options):
        trained.append(number)
        return 1 if len(trained) > 15 else 3

    work(right)
    assert trained == [1, 2, 3] * 5 + [1]
    _, table = table_of(tmp_path)
    assert table["state"].tolist() == ["complete"] * 5 + ["pruned"]
    assert table["score"].tolist() == pytest.approx([9 / 15] * 5 + [1 / 4])
    assert table["score_fold1"].tolist() == [0.75] * 5 + [0.25]
    assert table["score_fold2"].isna().tolist() == [False] * 5 + [True]


def test_a_trial_that_was_killed_goes_on_at_the_fold_where_it_was(work, tmp_path):
    """SIGKILL in the third fold of the second trial; the same options are drawn again and train in that fold and no other."""
    calls = itertools.count(1)

    def killed(number, options):
        if next(calls) == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    process = multiprocessing.get_context("fork").Process(target=work, args=(killed,), kwargs={"trials": 2})
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    trained = []

    def right(number, options):
        trained.append(number)
        return number

    assert work(right, trials=2) == {"trials": 1}
    assert trained == [3]
    _, table = table_of(tmp_path, trials=2)
    assert table["state"].tolist() == ["complete", "fail", "complete"]
    assert table["training.learning_rate"].iloc[1] == table["training.learning_rate"].iloc[2]
    assert table["score"].iloc[2] == pytest.approx(6 / 15)
    assert not (tmp_path / "worker1" / "folds.json").exists()


def test_folds_of_other_options_are_not_taken_over(work, tmp_path):
    (tmp_path / "worker1").mkdir()
    left = {"claim": "of another trial", "folds": [{"label": [1], "prediction": [1]}]}
    (tmp_path / "worker1" / "folds.json").write_text(json.dumps(left), encoding="utf-8")
    trained = []
    work(lambda number, options: trained.append(number) or 1, trials=1)
    assert trained == [1, 2, 3]


def test_of_two_objectives_a_trial_costs_the_mean_of_its_folds_models(work, tmp_path):
    two = {"objectives": ["score", "multiplications"], "trials": 6}
    work(lambda number, options: 1, **two)
    best, table = table_of(tmp_path, **two)
    assert table["state"].tolist() == ["complete"] * 6
    assert best["multiplications"] == 20 and best["examples"] == 15


def test_trials_in_folds_do_not_count_for_a_search_on_validation(work, tmp_path, parts):
    assert work(lambda number, options: 1, trials=1) == {"trials": 1}
    assert work(lambda number, options: 1, trials=1) == {"trials": 0}
    whole = [parts[0]]
    output, goal = tmp_path / "worker1" / "trials.json", Goal(dataset=parts[0]["dataset"], metric="accuracy", seed=1, name="search")
    search = {name: value for name, value in SEARCH.items() if name != "folds"} | {"trials": 1}
    step = {"technique": "finetune", "options": {"training": {"learning_rate": 1.0}}}
    done = trials.work(parts=whole, goal=goal, search=search, worker=1, journal=tmp_path / "journal.log", output=output, **step)
    assert done == {"trials": 1}


def test_the_paths_of_a_rule_are_those_of_each_fold_in_turn():
    inputs = {"teacher": ["a1", "a2"], "dataset": ["b1", "b2"], "start": []}
    assert parts_of(inputs, folds=2) == [
        {"teacher": Path("a1"), "dataset": Path("b1"), "start": None},
        {"teacher": Path("a2"), "dataset": Path("b2"), "start": None},
    ]
    assert parts_of({"teacher": "a", "dataset": "b"}, folds=None) == [{"teacher": "a", "dataset": Path("b")}]
