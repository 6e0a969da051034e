"""Snakemake within a longer command: its lines are in a log, mistakes are told in one line, and its time ends."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from encoder_compression.contract import runner

SNAKEFILE = """
rule quick:
    output: "quick.txt"
    shell: "echo done > {output}"

rule wrong:
    output: "wrong.txt"
    shell: "echo 'Error: films.csv: no such column (log: a.log)' >&2; echo 'Error: films.csv: no such column' >&2; exit 1"

rule slow:
    output: "slow.txt"
    shell: "echo begun > begun.txt; sleep 60; echo done > {output}"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE, encoding="utf-8")


def run(*targets: str, seconds: float | None = None, polls: list | None = None) -> list[str]:
    arguments = [*targets, "--cores", "2", "--keep-going"]
    return runner.run(arguments, log=Path("logs/run.log"), seconds=seconds, poll=lambda: (polls if polls is not None else []).append(1))


def test_a_run_that_ends_well_says_nothing_and_its_lines_are_in_the_log():
    polls: list = []
    assert run("quick.txt", polls=polls) == []
    assert Path("quick.txt").exists() and polls
    assert "rule quick" in Path("logs/run.log").read_text(encoding="utf-8")


def test_a_mistake_is_one_line_and_what_does_not_need_it_is_made():
    assert run("wrong.txt", "quick.txt") == ["Error: films.csv: no such column"]
    assert Path("quick.txt").exists()
    assert run("quick.txt") == []  # and the line of the run before is not told again


def test_a_run_that_is_out_of_time_ends_with_no_mistake_no_lock_and_no_half_made_output():
    start = time.monotonic()
    assert run("slow.txt", seconds=6) == []
    assert time.monotonic() - start < 40
    assert Path("begun.txt").exists() and not Path("slow.txt").exists()
    assert run("quick.txt") == []


def test_a_run_that_was_started_in_the_background_ends_in_time_too():
    code = "from pathlib import Path; from encoder_compression.contract import runner; "
    code += "runner.run(['slow.txt', '--cores', '1'], log=Path('run.log'), seconds=6, poll=lambda: None)"
    start = time.monotonic()
    subprocess.run(["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, code], check=True)  # as shells do it with '&'
    assert time.monotonic() - start < 40
    assert Path("begun.txt").exists() and not Path("slow.txt").exists()


def test_a_run_without_a_mistake_of_ours_is_told_with_its_log():
    assert run("nothing.txt") == ["Error: snakemake ended with status 1 (log: logs/run.log)"]
