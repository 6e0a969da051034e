"""A search finds options on validation alone, goes on after a kill, and every seed and control of its step takes what it found."""

import ast
import inspect
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml

from conftest import ROOT, Workspace
from encoder_compression import encoders, jobs
from encoder_compression.configuration import load_experiments, merge, taken
from encoder_compression.errors import UserError
from encoder_compression.reporting.warnings import warnings
from encoder_compression.search import trials
from encoder_compression.search.choice import choose
from encoder_compression.search.space import SEARCHABLE, apply
from encoder_compression.study import Study
from encoder_compression.training.train import Goal
from saved_rows import SavedStudy

TINY = yaml.safe_load((ROOT / "config" / "experiments" / "tiny.yaml").read_text())
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
            inputs={"dataset": dataset} | (inputs or {}),
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
    return json.loads(best.read_text()), pd.read_csv(table)


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
    (tmp_path / "parent").write_text("a")
    assert work(by_rate, search_of(), inputs={"parent": tmp_path / "parent"}) == {"trials": 6}
    assert work(by_rate, search_of(), inputs={"parent": tmp_path / "parent"}) == {"trials": 0}
    (tmp_path / "parent").write_text("b")
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
    model = encoders.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    encoders.save(model, encoders.load_tokenizer(encoder), tmp_path)
    assert trials.multiplications(tmp_path) == 2 * (4 * 32 * 32 + 2 * 32 * 64)  # layers, hidden size 32, 64 neurons


def test_a_trial_trains_as_a_job_of_its_own_would_and_reads_no_test_split(tmp_path, encoder, dataset, monkeypatch):
    """The loss on validation is the same to the last digit when the options are trained again, without a search."""
    parent, data = tmp_path / "parent", tmp_path / "dataset"
    encoders.save(
        encoders.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2}), encoders.load_tokenizer(encoder), parent
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
    own = options_of("lora", "lora4")
    inputs = {"parent": parent, "encoder": encoder, "teacher": None, "soft_targets": None, "dataset": data}
    output = tmp_path / "worker1" / "trials.json"
    output.parent.mkdir()
    state = torch.get_rng_state()
    search = search_of(RATE, trials=2)
    journal = tmp_path / "journal.log"
    trials.work(technique="lora", inputs=inputs, goal=goal, options=own, search=search, worker=1, journal=journal, output=output)
    assert [list(scores) for _, scores in told] == [[1], [1]]  # a validation after the one epoch
    torch.set_rng_state(state)
    paths = {name: tmp_path / "again" / name for name in ("model", "adapter", "curve")}
    (tmp_path / "again").mkdir()
    del inputs["dataset"]
    again = technique(goal=goal, options=told[1][0], **inputs, **paths)
    assert again["validation_loss"] == losses[1] != losses[0]


def options_of(technique: str, step: str) -> dict:
    return load_options(TINY)[technique][step]


def load_options(experiment: dict, folder: Path = ROOT / "config") -> dict:
    if experiment is not TINY:
        (folder / "experiments").mkdir(exist_ok=True)
        (folder / "experiments" / "mine.yaml").write_text(yaml.safe_dump(experiment))
    name = "tiny" if experiment is TINY else "mine"
    shared = {"experiments": [name], "devices": "auto", "quantize": {"int8": {}}}
    return load_experiments(shared=shared, config_folder=folder, schema_folder=ROOT / "workflow" / "schemas")[name]


def of_space(name: str, **tried) -> dict:
    return {"search": {"even1": {"parent": "teacher", "space": {name: tried}}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": {"evn1": {"space": RATE}}}, "search: unknown step 'evn1'; did you mean 'even1'?"),
        ({"search": {"int8": {"space": RATE}}}, "search.int8: a quantize step trains nothing that a score could choose; take it out"),
        (of_space("training.learnin_rate", low=0.1, high=1), "a distill step has no such option; did you mean 'learning_rate'?"),
        (of_space("temperature", low=0, high=8), "space: temperature: distill.even1.temperature: 0.0 is less than or equal to"),
        (of_space("temperature", low=1, high="8e0"), "high: '8e0' is text to YAML, not a number; write it like 5.0e-5"),
        (of_space("temperature", low=1), "space: temperature: a range has two ends; give 'high', too"),
        (of_space("temperature", low=8, high=1), "space: temperature: 'low' 8 is not below 'high' 1; swap them"),
        (of_space("loss.hard", low=0, high=1, log=True), "space: loss.hard: a logarithm needs 'low' above 0; raise it, or take 'log' out"),
        (of_space("keep", low=0.5, high=2), "space: keep: distill.even1.keep: 0.5 is not of type 'integer'"),
        (of_space("layers", low=1, high=2), "space: layers: not a number, so it has no range; give 'choices'"),
        (of_space("layers", choices=["even", "od"]), "space: layers: distill.even1.layers: unknown value 'od'; did you mean 'odd'?"),
        (of_space("layers", choices=["even", "odd"], low=1), "space.layers: give exactly one of: low, choices"),
        (of_space("unlabelled", choices=[True, False]), "space: unlabelled: this says what the step reads or which rows there are; give"),
        (of_space("training.steps", low=5, high=9), "space: training.steps: distill.even1.training: give exactly one of: epochs, steps"),
        (
            merge({"distill": {"even1": {"loss": {"soft": 0}}}}, of_space("loss.soft", low=0, high=1)),
            "space: loss.soft: the step gives it no weight and so reads no answers of a teacher; give it one there",
        ),
        (
            {"search": {"magnitude60": {"parent": "teacher", "space": {"scope": {"choices": ["global", "fours"]}}}}},
            "space: scope: prune.magnitude60: of four neighbours one, two or three can be zero",
        ),
        ({"search": {"even1": {"space": RATE, "objectives": ["speed"]}}}, "search.even1.objectives: ['speed'] is not one of [['score']"),
        (
            {"search": {"even1": {"parent": "teacher+width40", "space": RATE}, "width40": {"parent": "teacher+even1", "space": RATE}}},
            "search: steps wait for each other's options, even1 -> width40 -> even1; give one another 'parent'",
        ),
    ],
)
def test_a_search_that_cannot_work_is_one_line_with_the_remedy(tmp_path, change, message):
    with pytest.raises(UserError) as error:
        load_options(merge(TINY, change), tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith("mine.yaml: ")
    assert "\n" not in str(error.value)


def test_the_chain_behind_which_a_step_is_searched_must_be_able_to_stand_there(tmp_path):
    change = {"search": {"even1": {"space": RATE}}}
    with pytest.raises(UserError, match="a chain begins with a finetune or lora step, but 'even1' is a distill step"):
        Study("mine", load_options(merge(TINY, change), tmp_path))


def test_a_sparsity_that_a_search_may_find_is_never_below_the_one_before(tmp_path):
    prune = {"more": {"sparsity": 0.9}, "magnitude60": {"sparsity": 0.6}}
    chain = {"prune": prune, "variants": ["teacher", "teacher+magnitude60+more"], "runtimes": {}, "compare": []}
    for low, error in ((0.7, None), (0.5, "'more' asks for fewer zeros than 'magnitude60' before it")):
        search = {"more": {"parent": "teacher+magnitude60", "space": {"sparsity": {"low": low, "high": 0.9}}}}
        options = load_options(TINY | merge(chain, {"search": search}), tmp_path)
        if error:
            with pytest.raises(UserError, match=error):
                Study("mine", options)
        else:
            Study("mine", options)


def test_a_range_is_whole_where_the_option_is(tmp_path):
    space = {"temperature": {"low": 1, "high": 8}, "training.epochs": {"low": 1, "high": 3}}
    found = load_options(merge(TINY, {"search": {"even1": {"parent": "teacher", "space": space}}}), tmp_path)["search"]["even1"]["space"]
    assert [type(found[name]["low"]) for name in space] == [float, int]


def test_a_control_takes_what_was_found_but_for_what_it_lacks():
    found = {"loss.soft": 0.5, "start": "pretrained", "layers": [1], "training.learning_rate": 0.01, "ramp.share": 0.5}
    assert taken("even1", "distill", found) == found
    assert taken("even1-control", "distill", found) == {"layers": [1], "training.learning_rate": 0.01}


@pytest.mark.parametrize("variant", ["teacher+even1", "teacher+even1-control"])
def test_the_options_found_replace_those_of_the_step_and_are_recorded(tmp_path, variant):
    best = tmp_path / "best.json"
    best.write_text(json.dumps({"options": {"loss.soft": 0.5, "training.batch_size": 4}, "trials": 3, "seconds": 12.5}))
    own = {"loss": {"hard": 1, "soft": 0}, "training": {"batch_size": 8}}

    def distill(*, goal, options):
        return {"options": options}

    snakemake = SimpleNamespace(
        resources={},
        input=SimpleNamespace(get={"best": str(best)}.get, dataset="x"),
        params=SimpleNamespace(metric="accuracy", get={}.get),
        rule="distill",
        wildcards=Wildcards(variant=variant, seed="2"),
    )
    facts = jobs.train(distill, snakemake, options=own)
    is_control = variant.endswith("control")
    expected = {"training.batch_size": 4} if is_control else {"loss.soft": 0.5, "training.batch_size": 4}
    assert facts == {"options": apply(own, expected), "searched": {"trials": 3, "seconds": 12.5, "options": expected}}


class Wildcards(dict):
    """Wildcards as Snakemake hands them to a script."""

    __getattr__ = dict.__getitem__


def test_a_search_reads_all_that_the_steps_own_rule_does():
    text = (ROOT / "workflow/rules/common_search.smk").read_text()
    (block,) = re.findall(r"^READ_BY_STEP = (\{.*?^\})", text, re.DOTALL | re.MULTILINE)
    tree = ast.parse(block, mode="eval").body
    read = {key.value: {name.value for name in part.keys} for key, part in zip(tree.keys, tree.values, strict=True)}
    assert set(read) == set(SEARCHABLE)
    for technique in SEARCHABLE:
        function = getattr(import_module(f"encoder_compression.techniques.{technique}"), technique)
        made = {"goal", "options", "model", "adapter", "curve"}
        assert set(inspect.signature(function).parameters) - made <= read[technique] | {"encoder"}


def test_tables_and_cards_say_what_a_search_cost_and_found(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+even1-control")
    for variant in ("teacher+even1", "teacher+even1-control"):
        path = Path(study.study.folder(variant, 1, "model")) / "provenance.json"
        record = json.loads(path.read_text())
        record["facts"]["searched"] = {"trials": 20, "seconds": 1234.4, "options": {"training.learning_rate": 0.0123}}
        path.write_text(json.dumps(record))
    table = study.table()
    sentence = "Options of even1 were searched in 20 trials (1,234 s) on validation; its training seconds leave that out."
    assert [one for one in warnings(table, table.over_seeds) if "searched" in one] == [sentence]
    assert dict(zip(table.by_seed["variant"], table.by_seed["search_seconds"], strict=True)) == {
        "teacher": 0,
        "teacher+even1": 1234.4,
        "teacher+even1-control": 1234.4,
    }
    study.summarize()
    cards = {variant: (Path(study.study.folder(variant, 1, "model")) / "README.md").read_text() for variant in ("teacher", "teacher+even1")}
    assert {variant: "training.learning_rate: 0.0123" in card for variant, card in cards.items()} == {
        "teacher": False,
        "teacher+even1": True,
    }


@pytest.mark.slow
def test_every_seed_trains_with_the_options_that_a_search_found(tmp_path):
    workspace = Workspace(tmp_path, experiment="mine")
    search = {"teacher": {"space": {"training.batch_size": {"choices": [4, 16]}}, "trials": 2, "workers": 2}}
    mine = {"extends": "tiny", "search": search, "seeds": [1, 2], "finetune": {"teacher": {"training": {"epochs": 1}}}}
    file = workspace.folder / "config/experiments/mine.yaml"
    file.write_text(yaml.safe_dump(mine))
    models = [f"results/mine/teacher/seed{seed}/model" for seed in (1, 2)]
    done = workspace.run("--cores", "2", *models)
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results/mine"
    best = json.loads((results / "search/teacher/best.json").read_text())
    texts = len(pd.read_parquet(results / "dataset/train.parquet"))
    for model in models:
        facts = json.loads((workspace.folder / model / "provenance.json").read_text())["facts"]
        assert facts["searched"] == {"options": best["options"], "trials": 2, "seconds": best["seconds"]}
        assert facts["steps"] == -(-texts // best["options"]["training.batch_size"])
    search["teacher"]["trials"] = 3
    file.write_text(yaml.safe_dump(mine))
    again = workspace.run("-n", "--cores", "2", *models)
    assert {"search_trials", "choose_options", "finetune"} == set(re.findall(r"^rule (\w+):", again.stdout + again.stderr, re.MULTILINE))
