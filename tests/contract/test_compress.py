"""One command makes a study of a table and a model, runs it and answers; begun again it goes on."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import COMMAND, TINY_CSV, Workspace, make_encoder
from encoder_compression.cli import main
from encoder_compression.contract import compress
from encoder_compression.run import provenance


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
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "opinions.csv"])
    expected = "Error: config/experiments/opinions.yaml was not written by this command; take another --name, or delete the file"
    assert main() == expected
    assert written.read_text(encoding="utf-8") == "extends: tiny\n"


def test_an_experiment_that_was_edited_is_run_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    command = "# encoder-compression compress opinions.csv --lose 1 --device cpu-pytorch --name opinions"
    edited = f"{command}\nfinetune: {{teacher: {{training: {{epochs: 1}}}}}}\nvariants: [teacher]\n"  # no section 'runtimes'
    (tmp_path / "config/experiments/opinions.yaml").write_text(edited, encoding="utf-8")
    monkeypatch.setattr(compress, "_snakemake", lambda order, *targets: len(targets))
    monkeypatch.setattr(compress, "_answers", lambda name: ["an answer"])
    monkeypatch.setattr(sys, "argv", ["encoder-compression", "compress", "opinions.csv", "--device", "cpu-pytorch"])
    assert main() == 0
    assert (tmp_path / "config/experiments/opinions.yaml").read_text(encoding="utf-8") == edited


@pytest.mark.long
def test_the_command_ends_with_an_answer_from_real_rows_and_goes_on_after_an_edit(tmp_path):
    workspace = Workspace(tmp_path)
    make_encoder(tmp_path / "encoder", seed=1)
    write_table(tmp_path / "opinions.csv")
    arguments = ("opinions.csv", "--model", "encoder", "--lose", "100", "--cores", "2")
    planned = run(workspace.folder, *arguments, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "label  'mood': 2 classes" in planned.stdout
    experiment = tmp_path / "config/experiments/opinions.yaml"
    options = yaml.safe_load(experiment.read_text(encoding="utf-8"))
    assert options["dataset"]["format"] == {"separator": ";"}
    assert not (tmp_path / "results/opinions/teacher").exists()
    options |= {"variants": ["teacher", "teacher+int8"], "measure": {"calls": 10, "seconds": 0, "grid": {"batch_sizes": []}}}
    first = experiment.read_text(encoding="utf-8").splitlines()[0]
    experiment.write_text(f"{first}\n{yaml.safe_dump(options)}", encoding="utf-8")
    done = run(workspace.folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "results/opinions/aggregate.csv")
    assert set(zip(table["variant"], table["device"], strict=True)) == {
        ("teacher", "cpu-pytorch"),
        ("teacher", "cpu-onnxruntime"),
        ("teacher+int8", "cpu-onnxruntime"),
    }
    answers = [line for line in done.stdout.splitlines() if line.startswith(("smallest on", "fastest on"))]
    assert [line.partition(":")[0] for line in answers] == [
        "smallest on cpu-pytorch", "fastest on cpu-pytorch", "smallest on cpu-onnxruntime", "fastest on cpu-onnxruntime",
    ]  # fmt: skip
    reported = provenance.read_facts(tmp_path / "results/opinions")["answers"]
    assert answers[3] == f"fastest on cpu-onnxruntime: {reported[1]['fastest']['text']}"
