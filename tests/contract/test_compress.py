"""One command makes a study of a table and a model, runs it and answers; begun again it goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import COMMAND, TINY_CSV, Workspace, make_encoder
from encoder_compression.cli import _parser, main
from encoder_compression.contract import compress, experiment
from encoder_compression.contract.candidates import Space
from encoder_compression.contract.certificate import STATUS
from encoder_compression.contract.clock import Clock
from encoder_compression.errors import UserError


def write_table(path: Path) -> None:
    """Write 240 different sentences about films in the words of the tiny ones."""
    rows = pd.read_csv(TINY_CSV)
    texts = [f"{text}, {further}" for text, further in zip(rows["text"].tolist() * 4, rows["text"].tolist()[7:] * 5, strict=False)]
    moods = rows["label"].map({0: "bad", 1: "good"}).tolist() * 4
    pd.DataFrame({"opinion": texts, "mood": moods}).drop_duplicates("opinion").head(240).to_csv(path, index=False, sep=";")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, "compress", *arguments], cwd=folder, capture_output=True, encoding="utf-8")


def test_a_folder_without_the_workflow_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "opinions.csv")
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "opinions.csv"])
    assert main() == "Error: there is no folder config/ here; run this in the folder of the workflow, where its Snakefile is"


def test_a_file_that_another_command_wrote_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "opinions.csv")
    (tmp_path / "config/experiments").mkdir(parents=True)
    written = tmp_path / "config/experiments/opinions.yaml"
    written.write_text("extends: tiny\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "opinions.csv", "--name", "opinions"])
    expected = "Error: config/experiments/opinions.yaml was not written by this command; take another --name, "
    expected += "or delete the file, and what is made stays"
    assert main() == expected
    assert written.read_text(encoding="utf-8") == "extends: tiny\n"


def order_of(*arguments: str) -> compress.Order:
    return compress.order_of(_parser().parse_args(["compress", "opinions.csv", *arguments]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    return tmp_path / "config/experiments"


def test_a_table_that_is_called_as_another_experiment_gets_a_name_of_its_own(folder):
    assert order_of().name == "opinions"
    (folder / "opinions.yaml").write_text("# encoder-compression compress opinions.csv\n", encoding="utf-8")
    assert order_of().name == "opinions"
    (folder / "opinions.yaml").write_text("# A study of somebody.\nextends: tiny\n", encoding="utf-8")
    assert order_of().name == "opinions_contract"
    assert order_of("--name", "opinions").name == "opinions"


def test_other_options_begin_anew_until_something_is_trained(folder):
    first = order_of("--text", "opinion")
    first.file.write_text(f"# {first.command}\ntask: classification\n", encoding="utf-8")
    again = order_of("--text", "remark")
    assert compress._may_begin_anew(again) and not compress._may_begin_anew(first)
    (again.results / "teacher").mkdir(parents=True)
    assert not compress._may_begin_anew(again)
    with pytest.raises(UserError, match="opinions.yaml was written by 'encoder-compression compress opinions.csv --text opinion"):
        compress._require_same(again)


SPACE = Space(6, 384, "onnxruntime", None, True, False, {"epochs": 3, "learning_rate": 1e-4})


def test_a_teacher_that_was_trained_already_is_not_cut_short_by_a_later_limit(folder, dataset, encoder):
    order = order_of("--minutes", "1")
    (order.results / "teacher").mkdir(parents=True)
    for name, source in {"base": encoder, "dataset": dataset}.items():
        (order.results / name).symlink_to(source)
    options = experiment.with_steps({}, SPACE)
    kept = compress._with_teacher(order, options, SPACE, Clock(1, order.results / "search.json"))
    assert kept["finetune"]["teacher"] == {"training": SPACE.training}


def test_a_search_that_ran_out_of_time_goes_on_where_there_is_more_of_it(folder):
    order = order_of()
    order.results.mkdir(parents=True)
    chosen = {"variants": ["teacher", "teacher+int8"]}
    unlimited, over = Clock(None, order.results / "search.json"), Clock(0, order.results / "search.json")
    assert compress._is_to_search(order, {"variants": ["teacher"]}, unlimited)
    assert not compress._is_to_search(order, chosen, unlimited)  # variants that somebody wrote
    order.searched.write_text(json.dumps(chosen | {"complete": False}), encoding="utf-8")
    assert compress._is_to_search(order, chosen, unlimited)
    assert not compress._is_to_search(order, chosen, over)
    assert not compress._is_to_search(order, {"variants": ["teacher", "teacher+words"]}, unlimited)
    order.searched.write_text(json.dumps(chosen | {"complete": True}), encoding="utf-8")
    assert not compress._is_to_search(order, chosen, unlimited)


def test_the_command_in_the_file_names_clauses_but_not_the_time(tmp_path):
    parsed = _parser().parse_args(["compress", "opinions.csv", "--lose", "2", "--latency-ms", "3", "--size-mb", "20", "--minutes", "5"])
    order = compress.order_of(parsed)
    clauses = "--lose 2 --latency-ms 3 --size-mb 20"
    assert order.command == f"encoder-compression compress opinions.csv {clauses} --device cpu-onnxruntime --name opinions"
    assert order.wishes.minutes == 5


def test_a_table_that_makes_no_study_leaves_neither_experiment_nor_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "nothing.csv"])
    assert main().startswith("Error: nothing.csv")
    assert not (tmp_path / "results").exists() and not list((tmp_path / "config/experiments").iterdir())


@pytest.mark.parametrize("options", [["--lose", "-1"], ["--latency-ms", "0"], ["--minutes", "0"], ["--size-mb", "-3"]])
def test_a_contract_of_wrong_numbers_is_one_line_and_leaves_no_file(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    write_table(tmp_path / "opinions.csv")
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "opinions.csv", *options])
    assert main() == "Error: --lose is 0 or more; --latency-ms, --size-mb, --memory-mb and --minutes are above 0"
    assert not list((tmp_path / "config/experiments").iterdir())


@pytest.mark.long
def test_the_command_searches_measures_what_it_chose_and_says_how_that_keeps_the_contract(tmp_path):
    workspace = Workspace(tmp_path)
    make_encoder(tmp_path / "encoder", seed=1)
    write_table(tmp_path / "opinions.csv")
    arguments = ("opinions.csv", "--model", "encoder", "--lose", "100", "--size-mb", "0.5", "--cores", "2")
    planned = run(workspace.folder, *arguments, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "label  'mood': 2 classes" in planned.stdout
    file = tmp_path / "config/experiments/opinions.yaml"
    first, options = file.read_text(encoding="utf-8").splitlines()[0], yaml.safe_load(file.read_text(encoding="utf-8"))
    assert options["dataset"]["format"] == {"separator": ";"}
    assert not (tmp_path / "results/opinions/teacher").exists()
    edited = options | {"measure": {"calls": 10, "seconds": 0, "grid": {"batch_sizes": []}}}
    file.write_text(f"{first}\n{yaml.safe_dump(edited)}", encoding="utf-8")
    done = run(workspace.folder, *arguments)
    assert done.returncode in STATUS.values(), done.stdout + done.stderr
    screened = pd.read_csv(tmp_path / "results/opinions/screening.csv").set_index("variant")
    assert {"teacher", "teacher+int8", "teacher+width50+int8"} <= set(screened.index)
    chosen = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert chosen["measure"] == edited["measure"]
    table = pd.read_csv(tmp_path / "results/opinions/aggregate.csv")
    on_device = table[table["device"] == "cpu-onnxruntime"]
    assert on_device["variant"].tolist() == chosen["variants"]
    assert len(chosen["variants"]) == 3
    fastest = screened[screened["size_mb"] <= 0.5]["latency_ms"].idxmin()
    assert chosen["variants"][1] == fastest  # as the loss may be any
    certificate = json.loads((tmp_path / "results/opinions/delivery/certificate.json").read_text(encoding="utf-8"))
    assert certificate["delivered"]["variant"] in chosen["variants"]
    assert done.returncode == STATUS[certificate["verdict"]]
    assert f"{certificate['delivered']['variant']} on cpu-onnxruntime" in done.stdout
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results/opinions").rglob("measurement.json")}
    again = run(workspace.folder, *arguments)
    assert again.returncode == done.returncode
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "results/opinions").rglob("measurement.json")}
