"""The rules tell what they do, and their scripts do nothing before the frame of a job is there."""

import ast
import re
import socket
import subprocess
import sys

import pytest

from conftest import ROOT
from encoder_compression.run import locks
from encoder_compression.training.distributed import launch
from encoder_compression.training.train import Goal
from job_frames import imported_in_a_training, printed_in_a_job, threads_in_a_training

SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
FRAMES = ("run.environment", "run.jobs", "training.jobs")  # what scripts import before the frame of a job is there


def test_snakemake_lists_what_every_rule_does(workspace):
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    rules = {name for file in files for name in re.findall(r"^(?:rule|checkpoint) (\w+):", file.read_text(encoding="utf-8"), re.MULTILINE)}
    done = workspace.run("--list")
    assert done.returncode == 0, done.stderr
    described = dict(re.findall(r"^(\w+) \(([A-Z].{20,}\.)\)$", done.stdout, re.MULTILINE))
    assert described.keys() == rules
    assert len(set(described.values())) == len(rules)


def test_a_run_on_another_system_than_linux_ends_before_it_touches_anything(workspace):
    """What a killed run left is what a run removes first."""
    workspace.edit("Snakefile", 'configfile: "config/config.yaml"', 'import sys; sys.platform = "darwin"\nconfigfile: "config/config.yaml"')
    record = workspace.folder / locks.RECORDS / f"{socket.gethostname()}_0"
    record.parent.mkdir(parents=True)
    record.write_text("0", encoding="utf-8")
    done = workspace.run("-n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: this workflow runs on Linux alone, and this is darwin; ")
    assert record.exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_what_it_calls_in_the_frame_of_its_job(script):
    body = ast.parse(script.read_text(encoding="utf-8")).body
    modules = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    assert not [node for node in body if isinstance(node, ast.Import)]
    assert modules <= {"pathlib", *(f"encoder_compression.{name}" for name in FRAMES)}
    assert [ast.unparse(item) for node in body if isinstance(node, ast.With) for item in node.items] == ["job(snakemake) as facts"]


def test_the_frame_comes_before_all_libraries_that_models_need():
    names = ("torch", "transformers", "peft", "openvino", "nncf", "datasets", "huggingface_hub", "optuna")
    frames = ", ".join(f"encoder_compression.{name}" for name in FRAMES)
    code = f"import sys, {frames}; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8").stdout == "[]\n"


def test_importing_the_package_changes_nothing_else():
    code = "import sys; before = set(sys.modules); import encoder_compression; print(set(sys.modules) - before)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8").stdout == "{'encoder_compression'}\n"


def test_a_job_keeps_out_what_it_does_not_need(tmp_path):
    code = "import sys; print([sys.modules[name] for name in ('bitsandbytes', 'openvino_telemetry', 'torchao')])"
    assert printed_in_a_job(code, tmp_path / "log") == "[None, None, None]\n"


def test_a_training_in_several_processes_keeps_it_out_too(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "tests")  # where its processes find the module of the function
    goal = Goal(dataset=tmp_path, metric="accuracy", seed=1, name="")
    facts = launch(imported_in_a_training, nodes=1, processes=1, threads=1, goal=goal, model=str(tmp_path / "model"))
    assert facts == {"bitsandbytes": False, "openvino_telemetry": False, "torchao": False}


def test_several_processes_share_the_threads_that_snakemake_gives_their_job(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "tests")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # as Snakemake sets them for a job
        monkeypatch.setenv(name, "4")
    goal = Goal(dataset=tmp_path, metric="accuracy", seed=1, name="")
    facts = launch(threads_in_a_training, nodes=1, processes=2, threads=4, goal=goal, model=str(tmp_path / "model"))
    assert facts == {"threads": 2}
