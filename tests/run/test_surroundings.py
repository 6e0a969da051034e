"""A run works wherever it is started: in a locale without UTF-8, in a path with a blank, without a home directory that can be written."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT, Workspace
from encoder_compression.errors import UserError, nearest
from encoder_compression.run import environment

TINY = "config/experiments/tiny.yaml"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
HOMELESS = {"HOME": "/proc/sys"}  # where nobody, not even root, can make a folder
NAMES = ["schlecht ☹", "schön"]


class Odd(Workspace):
    """A workspace in a path with a blank, with an environment of its own and names of classes that are not ASCII."""

    def __init__(self, folder: Path, **variables: str):
        super().__init__(folder / "my project")
        self.variables = variables
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.edit(TINY, "  max_length: 32", f"  max_length: 32  # Länge → kurz\n  label_names: {NAMES}".replace("'", '"'))
        self.edit(TINY, "recall: {label: 1,", f"recall: {{label: {NAMES[1]},")

    def command(self, *arguments: str) -> list[str]:
        return [str(self.folder / ".venv/bin/python"), *super().command(*arguments)[1:]]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        variables = {name: value for name, value in os.environ.items() if name not in environment.CACHE_VARIABLES} | self.variables
        return subprocess.run(self.command(*arguments), cwd=self.folder, env=variables, capture_output=True, encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("variables", [ASCII, HOMELESS], ids=["ASCII", "no home"])
def test_the_first_jobs_of_a_study_run_in_odd_surroundings(tmp_path, variables):
    workspace = Odd(tmp_path, **variables)
    done = workspace.run("--cores", "2", "results/tiny/dataset")
    assert done.returncode == 0, done.stdout + done.stderr
    description = (workspace.folder / "results/tiny/dataset/dataset.json").read_text(encoding="utf-8")
    assert json.loads(description)["labels"] == NAMES


@pytest.mark.slow
def test_a_dry_run_in_an_ascii_locale_plans_the_whole_study(tmp_path):
    done = Odd(tmp_path, **ASCII).run("-n", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule plot:" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_file_that_the_locale_cannot_name_is_told_with_the_remedy(tmp_path):
    workspace = Odd(tmp_path, **ASCII)
    workspace.edit(TINY, "files: {train: tests/data/tiny.csv}", "files: {train: tests/data/größe.csv}")
    done = workspace.run("-n", "--cores", "2")
    assert "cannot be opened in this locale, which is not UTF-8; run with PYTHONUTF8=1 in the environment" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("file", ["config/config.yaml", "profiles/slurm/config.yaml"])
def test_a_key_given_twice_is_told_of_files_that_snakemake_reads_itself(tmp_path, file):
    workspace = Workspace(tmp_path)
    with (workspace.folder / file).open("a", encoding="utf-8") as text:
        text.write("\nquantize: {}\nquantize: {}\n")
    done = workspace.run("-n", "--cores", "2")
    assert re.search(rf"^Error: {file}:\d+: 'quantize' is given twice, first in line \d+;", done.stdout + done.stderr, re.MULTILINE)


@pytest.mark.long
def test_the_whole_tiny_study_runs_in_an_ascii_locale_without_a_home_directory(tmp_path):
    workspace = Odd(tmp_path, **ASCII, **HOMELESS)
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results/tiny"
    assert set(pd.read_csv(results / "slices.csv")["slice"]) >= set(NAMES)
    for file in ("report.html", "teacher/seed1/model/README.md", "teacher+mixed/seed1/onnx/README.md"):
        assert all(name in (results / file).read_text(encoding="utf-8") for name in NAMES)


@pytest.fixture
def variables(monkeypatch) -> dict[str, str]:
    """The environment of this process, less what says where caches lie, until the test ends."""
    kept = {name: value for name, value in os.environ.items() if name not in environment.CACHE_VARIABLES}
    monkeypatch.setattr(os, "environ", kept)
    return kept


def test_caches_lie_in_the_project_where_the_home_directory_holds_none(tmp_path, monkeypatch, variables):
    monkeypatch.chdir(tmp_path)
    variables |= HOMELESS | {"MPLCONFIGDIR": "/chosen"}  # what the user has set stays
    environment.apply_process_settings()
    assert variables["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake/cache/xdg_cache_home")
    assert variables["HF_HOME"] == str(tmp_path / ".snakemake/cache/hf_home")
    assert variables["MPLCONFIGDIR"] == "/chosen"


def test_caches_stay_in_a_home_directory_that_holds_them(tmp_path, variables):
    variables["HOME"] = str(tmp_path)
    environment.apply_process_settings()
    assert not set(environment.CACHE_VARIABLES) & set(variables)


def test_a_path_with_a_blank_is_quoted_once(tmp_path, monkeypatch):
    python = tmp_path / "my python"
    python.touch()
    monkeypatch.setattr(sys, "executable", str(python))
    for _ in range(2):
        environment.quote_interpreter()
        assert shlex.split(sys.executable) == [str(python)]


def test_imports_are_blocked_while_the_context_lasts_and_no_longer(monkeypatch):
    for name in environment.BLOCKED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with environment.blocked_imports():
        with environment.blocked_imports():
            pass
        assert [sys.modules.get(name, "free") for name in environment.BLOCKED] == [None] * len(environment.BLOCKED)
    assert not sys.modules.keys() & set(environment.BLOCKED)


def test_a_package_that_is_there_already_or_was_allowed_stays(monkeypatch):
    there, allowed, *_ = environment.BLOCKED
    monkeypatch.setitem(sys.modules, there, sys)
    monkeypatch.delitem(sys.modules, allowed, raising=False)
    with environment.blocked_imports():
        assert sys.modules[there] is sys
        environment.allow_import(allowed)
        monkeypatch.setitem(sys.modules, allowed, os)
    assert (sys.modules[there], sys.modules[allowed]) == (sys, os)


def test_a_system_that_is_not_linux_is_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="^this workflow runs on Linux alone, and this is darwin; run it in the container"):
        environment.require_linux()


def test_a_word_is_never_the_suggestion_for_itself():
    assert nearest("1", [1, 2]) == "; known: 1, 2"
    assert nearest("label", ["label", "labels"]) == "; did you mean 'labels'?"


def _without_encoding(file: Path) -> list[int]:
    """Return the lines of a Python file that read or write text in the encoding of the locale."""
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if _is_text(call) and "encoding" not in {keyword.arg for keyword in call.keywords}]


def _is_text(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    module = getattr(getattr(call.func, "value", None), "id", "")
    if name in ("open", "fdopen"):
        modes = [value.value for value in (*call.args, *(keyword.value for keyword in call.keywords)) if isinstance(value, ast.Constant)]
        return module not in ("tarfile", "zipfile") and not any("b" in str(mode) for mode in modes)
    return name in ("read_text", "write_text") or any(keyword.arg == "text" for keyword in call.keywords if name in ("run", "Popen"))


def test_every_text_is_read_and_written_with_its_encoding():
    """Also where ruff cannot tell that a name is a path."""
    folders = ("src", "workflow", "tests", "benchmarks", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 150
    assert not {str(file): lines for file in files if (lines := _without_encoding(file))}
