"""A search finds options on validation alone, goes on after a kill, and every seed takes what it found."""

import inspect
import itertools
import json
import math
import multiprocessing
import os
import re
import shutil
import signal
import time
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from conftest import Workspace
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.search import trials
from encoder_compression.search.choice import choose
from encoder_compression.search.training import multiplications
from encoder_compression.training.train import Goal

RATE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
OWN = {"training": {"learning_rate": 1.0}}


def search_of(space: dict = RATE, **changes) -> dict:
    plain = {"trials": 6, "sampler": "tpe", "objectives": ["score"], "within": 0.005, "workers": 1, "version": 1}
    return {"space": space} | plain | changes


@pytest.fixture
def work(tmp_path, monkeypatch, dataset):
    """Return a function that works trials of a search whose step does not train: ``score`` gives its score by its options."""

    def of_score(score, search, worker=1, inputs=None):
        def finetune(*, goal, options, model, curve):
            return {"validation_score": score(goal, options)}

        monkeypatch.setattr("encoder_compression.techniques.finetune.finetune", finetune)
        output = tmp_path / f"worker{worker}" / "trials.json"
        output.parent.mkdir(exist_ok=True)
        goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="search")
        return trials.work(
            technique="finetune",
            parts=[{"dataset": dataset} | (inputs or {})],
            goal=goal,
            options=OWN,
            search=search,
            worker=worker,
            journal=tmp_path / "journal.log",
            output=output,
        )

    return of_score


def by_rate(goal, options) -> float:
    """Best at a rate of 0.001."""
    return 1 - abs(torch.tensor(options["training"]["learning_rate"] / 1e-3).log10().item())


def table_of(folder: Path, search: dict) -> tuple[dict, pd.DataFrame]:
    """Return what `choose` finds, and its table."""
    best, table, picture = (folder / name for name in ("best.json", "trials.csv", "search"))
    report = folder / "worker1" / "trials.json"
    choose(step="mine", search=search, journal=folder / "journal.log", workers=[report], best=best, table=table, picture=picture)
    assert (folder / "search.svg").exists()
    return json.loads(best.read_text(encoding="utf-8")), pd.read_csv(table)


def test_the_trial_with_the_best_score_is_chosen_of_all(work, tmp_path):
    work(by_rate, search_of())
    best, table = table_of(tmp_path, search_of())
    assert len(table) == best["trials"] == 6
    row = table.loc[table["score"].idxmax()]
    assert best["options"] == {"training.learning_rate": pytest.approx(row["training.learning_rate"])}
    assert (best["trial"], best["score"]) == (row["trial"], pytest.approx(row["score"]))
    assert best["seconds"] == pytest.approx(table["seconds"].sum())


def test_more_trials_go_on_with_those_there_are_and_another_space_starts_anew(work, tmp_path):
    assert work(by_rate, search_of()) == {"trials": 6}
    first = table_of(tmp_path, search_of())[1]
    assert work(by_rate, search_of(trials=9, workers=2)) == {"trials": 3}
    second = table_of(tmp_path, search_of(trials=9))[1]
    pd.testing.assert_frame_equal(second[:6].drop(columns="pareto"), first.drop(columns="pareto"))
    other = search_of(RATE | {"training.warmup": {"low": 0.0, "high": 0.5, "log": False}})
    assert work(by_rate, other) == {"trials": 6}


def test_trials_on_other_inputs_do_not_count(work, tmp_path):
    (tmp_path / "parent").write_text("a", encoding="utf-8")
    assert work(by_rate, search_of(), inputs={"parent": tmp_path / "parent"}) == {"trials": 6}
    assert work(by_rate, search_of(), inputs={"parent": tmp_path / "parent"}) == {"trials": 0}
    (tmp_path / "parent").write_text("b", encoding="utf-8")
    assert work(by_rate, search_of(), inputs={"parent": tmp_path / "parent"}) == {"trials": 6}


def forked(function, *arguments) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def test_a_search_whose_worker_was_killed_goes_on_to_the_very_same_trials(work, tmp_path):
    """SIGKILL within the twelfth trial, when TPE has begun to learn: the trial does not count and is drawn again."""
    search = search_of(trials=14)
    calls = itertools.count(1)

    def killed(goal, options):
        if next(calls) == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return by_rate(goal, options)

    process = forked(work, killed, search)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert work(by_rate, search) == {"trials": 3}
    resumed = table_of(tmp_path, search)[1]
    assert resumed["state"].tolist() == ["complete"] * 11 + ["fail"] + ["complete"] * 3
    done = resumed[resumed["state"] == "complete"]["training.learning_rate"].tolist()
    (tmp_path / "journal.log").unlink()
    work(by_rate, search)
    assert table_of(tmp_path, search)[1]["training.learning_rate"].tolist() == done


def test_a_living_workers_trial_is_left_alone_and_that_of_a_number_gone_is_not(work, tmp_path):
    def dies(goal, options):
        os.kill(os.getpid(), signal.SIGKILL)

    forked(work, dies, search_of(workers=2), 2).join()
    assert work(by_rate, search_of(workers=2)) == {"trials": 5}
    with pytest.raises(UserError, match="5 of 6 trials are finished; remove .*trials.json and run again"):
        table_of(tmp_path, search_of())
    assert work(by_rate, search_of(workers=1)) == {"trials": 1}
    assert table_of(tmp_path, search_of())[0]["trials"] == 6


def test_workers_side_by_side_make_no_trial_too_many_and_none_twice(work, tmp_path):
    def slow(goal, options):
        time.sleep(0.05)
        return by_rate(goal, options)

    search = search_of(trials=9, workers=3)
    processes = [forked(work, slow, search, worker) for worker in (1, 2, 3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    _, table = table_of(tmp_path, search)
    assert len(table) == table["training.learning_rate"].nunique() == 9
    assert table["worker"].nunique() > 1


def test_workers_that_go_on_after_a_kill_do_not_draw_the_same(work, tmp_path):
    """The second worker takes a trial while that of the first, which was killed, still counts as running."""

    def dies(goal, options):
        os.kill(os.getpid(), signal.SIGKILL)

    forked(work, dies, search_of(workers=2)).join()
    assert work(by_rate, search_of(trials=2, workers=2), worker=2) == {"trials": 1}
    assert work(by_rate, search_of(workers=2)) == {"trials": 5}
    _, table = table_of(tmp_path, search_of())
    done = table[table["state"] == "complete"]
    assert len(done) == done["training.learning_rate"].nunique() == 6


def test_what_a_killed_trial_left_is_gone_even_where_no_trial_is_to_be_done(work, tmp_path):
    work(by_rate, search_of())
    (tmp_path / "worker1" / "trial" / "checkpoints").mkdir(parents=True)
    assert work(by_rate, search_of()) == {"trials": 0}
    assert not (tmp_path / "worker1" / "trial").exists()


def test_the_first_trials_are_spread_over_the_whole_range(work, tmp_path):
    work(by_rate, search_of(trials=10, sampler="random"))
    powers = table_of(tmp_path, search_of(trials=10))[1]["training.learning_rate"].map(math.log10).sort_values()
    assert powers.iloc[0] < -3.6 and powers.iloc[-1] > -2.4
    assert powers.diff().max() < 0.75, "of a range of 2"


def test_an_error_of_a_trial_ends_the_job_and_the_trial_does_not_count(work, tmp_path):
    def broken(goal, options):
        raise UserError("mend it")

    with pytest.raises(UserError, match="mend it"):
        work(broken, search_of())
    assert work(by_rate, search_of()) == {"trials": 6}
    assert not list(tmp_path.glob("worker1/trial/*"))


def test_a_trial_worse_than_the_median_is_pruned_and_counts(work, tmp_path):
    falling = itertools.count()

    def worse_each_time(goal, options):
        (watcher,) = goal.watchers()
        score = 1 - 0.1 * next(falling)
        watcher.on_evaluate(None, None, None, metrics={"eval_score": score})
        return score

    work(worse_each_time, search_of(trials=7))
    _, table = table_of(tmp_path, search_of(trials=7))
    assert table["state"].tolist() == ["complete"] * 5 + ["pruned"] * 2  # Optuna's median needs five
    assert table["score"].tolist() == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])


def test_of_two_objectives_the_cheapest_within_reach_of_the_best_wins(work, tmp_path, monkeypatch):
    found = [(0.90, 100), (0.897, 80), (0.896, 60), (0.85, 40), (0.84, 50), (0.80, 20)]
    scores, costs = (iter(values) for values in zip(*found, strict=True))
    monkeypatch.setattr(trials, "multiplications", lambda model: next(costs))
    search = search_of(objectives=["score", "multiplications"])
    work(lambda goal, options: next(scores), search)
    best, table = table_of(tmp_path, search)
    assert (best["score"], best["multiplications"]) == (0.896, 60)
    beaten = [any(s >= score and c <= cost and (s, c) != (score, cost) for s, c in found) for score, cost in found]
    assert table["pareto"].tolist() == [not one for one in beaten]


def test_multiplications_are_those_of_the_linear_layers(encoder, tmp_path):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path)
    assert multiplications(tmp_path) == 2 * (4 * 32 * 32 + 2 * 32 * 64)  # layers, hidden size 32, 64 neurons


def test_a_trial_trains_as_a_job_of_its_own_would_and_reads_no_test_split(tmp_path, tiny, encoder, dataset, monkeypatch):
    """The loss on validation is the same to the last digit when the options are trained again, without a search."""
    parent, data = tmp_path / "parent", tmp_path / "dataset"
    pretrained.save(
        pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2}), encoder_facts.load_tokenizer(encoder), parent
    )
    shutil.copytree(dataset, data)
    (data / "test.parquet").unlink()
    goal = Goal(dataset=data, metric="accuracy", seed=1, name="search")
    technique, losses, told = import_module("encoder_compression.techniques.lora").lora, [], []

    def watched(**call):
        facts = technique(**call)
        losses.append(facts["validation_loss"])
        told.append((call["options"], call["goal"].trial.study.trials[-1].intermediate_values))
        return facts

    watched.__signature__ = inspect.signature(technique)
    monkeypatch.setattr("encoder_compression.techniques.lora.lora", watched)
    own = tiny.options["lora"]["lora4"]
    inputs = {"parent": parent, "encoder": encoder, "teacher": None, "soft_targets": None, "dataset": data}
    output = tmp_path / "worker1" / "trials.json"
    output.parent.mkdir()
    state = torch.get_rng_state()
    search = search_of(RATE, trials=2)
    journal = tmp_path / "journal.log"
    trials.work(technique="lora", parts=[inputs], goal=goal, options=own, search=search, worker=1, journal=journal, output=output)
    assert [list(scores) for _, scores in told] == [[1], [1]]  # a validation after the one epoch
    torch.set_rng_state(state)
    paths = {name: tmp_path / "again" / name for name in ("model", "adapter", "curve")}
    (tmp_path / "again").mkdir()
    del inputs["dataset"]
    again = technique(goal=goal, options=told[1][0], **inputs, **paths)
    assert again["validation_loss"] == losses[1] != losses[0]


@pytest.mark.long
def test_every_seed_trains_with_the_options_that_a_search_found(tmp_path):
    workspace = Workspace(tmp_path, experiment="mine")
    search = {"teacher": {"space": {"training.batch_size": {"choices": [4, 16]}}, "trials": 2, "workers": 2}}
    mine = {"extends": "tiny", "search": search, "seeds": [1, 2], "finetune": {"teacher": {"training": {"epochs": 1}}}}
    file = workspace.folder / "config/experiments/mine.yaml"
    file.write_text(yaml.safe_dump(mine), encoding="utf-8")
    models = [f"results/mine/teacher/seed{seed}/model" for seed in (1, 2)]
    done = workspace.run("--cores", "2", *models)
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results/mine"
    best = json.loads((results / "search/teacher/best.json").read_text(encoding="utf-8"))
    texts = len(pd.read_parquet(results / "dataset/train.parquet"))
    for model in models:
        facts = json.loads((workspace.folder / model / "provenance.json").read_text(encoding="utf-8"))["facts"]
        assert facts["searched"] == {"options": best["options"], "trials": 2, "seconds": best["seconds"]}
        assert facts["steps"] == -(-texts // best["options"]["training.batch_size"])
    search["teacher"]["trials"] = 3
    file.write_text(yaml.safe_dump(mine), encoding="utf-8")
    again = workspace.run("-n", "--cores", "2", *models)
    assert {"search_trials", "choose_options", "finetune"} == set(re.findall(r"^rule (\w+):", again.stdout + again.stderr, re.MULTILINE))
