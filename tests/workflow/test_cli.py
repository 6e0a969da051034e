"""The commands of the package: each says what it is for, takes its arguments as they are, and needs no library before it is called."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import COMMAND, bare_environment

COMMANDS = [("plan",), ("verify",), ("explain",), ("slurm",), ("slurm", "check"), ("slurm", "clean"), ("slurm", "guard")]


def call(*arguments: str, command: Path = COMMAND, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(command), *arguments], capture_output=True, encoding="utf-8", **options)


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Path:
    """The command in an environment that holds the wheel and nothing else."""
    python = bare_environment(tmp_path_factory.mktemp("bare"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", str(wheel)]
    done = subprocess.run(pip, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return python.with_name(COMMAND.name)


@pytest.mark.parametrize("arguments", [(), *COMMANDS], ids=" ".join)
def test_help_works_where_no_library_is_installed(bare, arguments):
    done = call(*arguments, "--help", command=bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: encoder-compression {' '.join(arguments)}".rstrip())


def test_help_has_a_line_for_each_command(bare):
    for arguments, names in (((), ["plan", "compress", "verify", "explain", "gate", "slurm"]), (("slurm",), ["check", "clean", "guard"])):
        text = call(*arguments, "--help", command=bare, env=os.environ | {"COLUMNS": "80"}).stdout
        assert re.findall(r"^    (\w+) +\S.*$", text, re.MULTILINE) == names


@pytest.mark.parametrize("arguments", [("plan", "--cores", "2"), ("gate", "mine"), ("slurm", "check"), ("slurm", "clean")], ids=" ".join)
def test_a_missing_library_is_one_line_with_the_remedy(bare, arguments):
    done = call(*arguments, command=bare)
    assert done.returncode == 1
    remedy = "install what a run needs: pip install --requirement requirements.txt"
    assert re.fullmatch(rf"Error: this environment has no module \w+; {remedy}\n", done.stderr)


ELSEWHERE = "import sys; sys.platform = 'darwin'; from encoder_compression.cli import main; sys.exit(main())"
RUN = [("plan",), ("slurm", "check"), ("slurm", "clean"), ("slurm", "guard", "--idle-minutes", "5", "true")]


@pytest.mark.parametrize("arguments", RUN, ids=" ".join)
def test_another_system_than_linux_is_told_before_any_library_is_missed(bare, arguments):
    done = call("-c", ELSEWHERE, *arguments, command=bare.with_name("python"))
    assert done.returncode == 1
    assert re.fullmatch(r"Error: this workflow runs on Linux alone, and this is darwin; [^\n]+\n", done.stderr)


@pytest.mark.parametrize("arguments", [("slurm", "check", "--partition", "cpu"), ("slurm", "clean", "all"), ("slurm",), ("plans",)])
def test_what_a_command_does_not_take_is_refused(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert "error: " in done.stderr


def test_the_plan_of_a_fresh_study_names_what_is_unknown(workspace):
    """Also in an environment that is not activated, as make calls it."""
    done = call("plan", "--cores", "2", "--config", "experiments=[tiny]", cwd=workspace.folder, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert "No earlier artifact tells of: 1 prepare_encoder, 1 prepare_dataset, " in done.stdout
    assert "1 prepare_unlabelled" in done.stdout
    assert done.stdout.endswith("Downloads:\n  none\n")


def test_the_plan_takes_options_and_targets_as_snakemake_does(workspace):
    arguments = ("--cores", "2", "--config", "experiments=[tiny]", "--", "results/tiny/dataset")
    done = call("plan", *arguments, cwd=workspace.folder)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:4]] == [
        ["prepare_encoder", "1"],
        ["prepare_dataset", "1"],
        ["total", "2"],
    ]


def test_a_guarded_command_keeps_its_arguments_and_its_exit_status(tmp_path):
    done = call("slurm", "guard", "--idle-minutes", "5", "--", "sh", "-c", 'echo "got $*"; exit 9', "sh", "-n", "--", "a b", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (9, "got -n -- a b\n")


UNREAD = """
import os, sys
read, write = os.pipe()
os.dup2(write, 1)
os.close(read)
os.close(write)
from encoder_compression import cli
cli._clean = lambda *_: print("x" * 100_000)
sys.argv = ["encoder-compression", "slurm", "clean"]
sys.exit(cli.main())
"""


def test_output_that_nobody_reads_to_its_end_is_no_error():
    done = call("-c", UNREAD, command=Path(sys.executable))
    assert done.returncode == 141
    assert not done.stderr
