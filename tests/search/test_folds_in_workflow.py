"""A search with folds as its user runs it: the chain behind the step is made in each fold, and has not seen what the fold leaves out."""

import json
import re
from collections import Counter

import pandas as pd
import pytest
import yaml

from conftest import Workspace

COUNT = 3
SEARCH = {"even1": {"parent": "teacher", "space": {"temperature": {"low": 1, "high": 8}}, "trials": 2, "workers": 2, "folds": COUNT}}
STUDENT = "results/mine/teacher+even1/seed1/model"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("folds"), experiment="mine")
    options = {"extends": "tiny", "search": SEARCH, "finetune": {"teacher": {"training": {"epochs": 1}}}}
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
    return workspace


@pytest.mark.slow
def test_a_dry_run_counts_the_trainings_before_the_step_in_each_fold(workspace):
    done = workspace.run("-n", "--cores", "2", STUDENT)
    assert done.returncode == 0, done.stderr
    jobs = Counter(re.findall(r"^(?:local)?rule (\w+):", done.stdout + done.stderr, re.MULTILINE))
    of_each_fold = ("cut_fold", "share_encoder", "share_unlabelled")
    of_each_chain = ("finetune", "predict_soft_targets", "predict_unlabelled_targets")  # of the whole experiment, too
    once = ("prepare_encoder", "prepare_dataset", "prepare_unlabelled", "choose_options", "distill")
    expected = dict.fromkeys(of_each_fold, COUNT) | dict.fromkeys(of_each_chain, COUNT + 1) | dict.fromkeys(once, 1)
    assert jobs == expected | {"search_trials": 2}


@pytest.fixture(scope="module")
def results(workspace):
    done = workspace.run("--cores", "2", STUDENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace.folder / "results/mine"


def ids(path) -> set[str]:
    return set(pd.read_parquet(path)["id"])


@pytest.mark.long
def test_the_options_found_in_folds_train_the_step_on_the_whole_data_set(results, workspace):
    best = json.loads((results / "search/even1/best.json").read_text(encoding="utf-8"))
    examples = sum(len(pd.read_parquet(results / f"dataset/{name}.parquet")) for name in ("train", "validation"))
    assert (best["folds"], best["examples"]) == (COUNT, examples)
    table = pd.read_csv(results / "search/even1/trials.csv").set_index("trial")
    row = table.loc[best["trial"]]
    sizes = [len(ids(results / f"folds/{number}of{COUNT}/dataset/test.parquet")) for number in range(1, COUNT + 1)]
    scores = [row[f"score_fold{number}"] for number in range(1, COUNT + 1)]
    assert best["score"] == pytest.approx(sum(size * score for size, score in zip(sizes, scores, strict=True)) / examples)
    assert best["standard_error"] == pytest.approx((best["score"] * (1 - best["score"]) / (examples - 1)) ** 0.5)
    record = json.loads((workspace.folder / STUDENT / "provenance.json").read_text(encoding="utf-8"))
    searched = {name: best[name] for name in ("trials", "seconds", "folds", "examples", "options")}
    assert record["facts"]["searched"] == searched
    assert "results/mine/dataset" in record["inputs"]


@pytest.mark.long
def test_the_teacher_of_a_fold_has_seen_nothing_of_what_it_leaves_out(results):
    whole = ids(results / "dataset/train.parquet") | ids(results / "dataset/validation.parquet")
    left_out = []
    for number in range(1, COUNT + 1):
        fold = results / f"folds/{number}of{COUNT}"
        train, validation, test = (ids(fold / f"dataset/{name}.parquet") for name in ("train", "validation", "test"))
        assert not test & (train | validation) and test | train | validation == whole
        left_out += test
        record = json.loads((fold / "teacher/seed1/model/provenance.json").read_text(encoding="utf-8"))
        assert set(record["inputs"]) == {f"results/mine/folds/{number}of{COUNT}/{name}" for name in ("base", "dataset")}
        assert ids(fold / "teacher/seed1/soft_targets/logits.parquet") == train
    assert sorted(left_out) == sorted(whole)
    teachers = [next((results / f"folds/{number}of{COUNT}/teacher/seed1/model").glob("*.safetensors")) for number in (1, 2)]
    assert teachers[0].read_bytes() != teachers[1].read_bytes()


@pytest.mark.long
def test_a_fold_shares_the_files_of_the_encoder_and_a_second_run_has_nothing_to_do(results, workspace):
    base, shared = results / "base", results / f"folds/1of{COUNT}/base"
    files = {path.name for path in base.iterdir() if path.name[0] != "." and path.name != "provenance.json"}
    assert files == {path.name for path in shared.iterdir() if path.name[0] != "." and path.name != "provenance.json"}
    assert all((base / name).samefile(shared / name) for name in files)
    assert not (base / "provenance.json").samefile(shared / "provenance.json")
    again = workspace.run("-n", "--cores", "2", STUDENT)
    assert "Nothing to be done" in again.stdout + again.stderr
