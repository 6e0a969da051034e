"""What is said about a cluster, its queue and a waiting run; without a cluster, by programs that stand in for SLURM's."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from encoder_compression.cluster import check, guard, queue
from encoder_compression.errors import UserError
from encoder_compression.planning import gres
from encoder_compression.planning.dryrun import Job
from encoder_compression.run import locks

SINFO = """\
cpu|10|32|128000|2-00:00:00|(null)|epyc,avx512
cpu|4|64+|256000+|2-00:00:00|(null)|xeon
gpu|2|64|512000|1-00:00:00|gpu:a100:4(S:0-1),mps:100|a100,nvlink
mixed|1|64|512000|1-00:00:00|gpu:a100:1,gpu:v100:2|(null)
long|1|8|32000|infinite|(null)|(null)
"""
RESOURCES = {"slurm_account": "project", "slurm_partition": "cpu", "runtime": 60, "mem_mb": 8000}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that puts a shell script on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()

    def put(name: str, text: str) -> None:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)

    return put


def problems(**changes) -> list[str]:
    threads = changes.pop("threads", 8)
    job = Job(rule="finetune", experiment="tiny", outputs=[], threads=threads, resources=RESOURCES | changes, grouped=False)
    return check.find_problems([job, job], check.read_nodes(SINFO), {"project"})


def test_only_the_unfinished_jobs_of_this_folder_are_its_own(program):
    program("squeue", f"echo '7|RUNNING|rule_a|{Path.cwd()}'; echo '8|PENDING|rule_b|/elsewhere'; echo '9|RUNNING|rule_c|{Path.cwd()}/sub'")
    assert queue.own_jobs() == [{"number": "7", "state": "RUNNING", "rule": "rule_a"}]


def test_without_an_answer_nothing_is_known_about_jobs(program):
    program("squeue", "exit 1")
    assert queue.own_jobs() is None
    queue.refuse_orphans()


def test_a_run_beside_orphans_is_refused_and_beside_a_living_run_is_not(program):
    program("squeue", f"echo '7|RUNNING|rule_a|{Path.cwd()}'")
    with pytest.raises(UserError, match="1 SLURM jobs .* make slurm-clean"):
        queue.refuse_orphans()
    locks.record_runner()
    queue.refuse_orphans()


def test_orphans_are_cancelled_and_jobs_of_a_living_run_are_not(program):
    jobs = f"echo '7|RUNNING|rule_a|{Path.cwd()}'; echo '8|PENDING|rule_b|{Path.cwd()}'"
    ending = f"test -e ended || echo '7|COMPLETING|rule_a|{Path.cwd()}'; touch ended"
    program("squeue", f"if test -e cancelled; then {ending}; else {jobs}; fi; echo '9|RUNNING|rule_a|/elsewhere'")
    program("scancel", "echo $* > cancelled")
    locks.record_runner()
    with pytest.raises(UserError, match="a run may still live"):
        queue.cancel_orphans()
    assert not Path("cancelled").exists()
    locks.forget_runner()
    assert queue.cancel_orphans() == 2
    assert Path("ended").exists(), "it waits until they have ended"
    assert Path("cancelled").read_text(encoding="utf-8") == "7 8\n"


@pytest.fixture(autouse=True)
def handlers():
    """Leave the handlers of signals as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def waiting(idle_seconds: float) -> tuple[int, float]:
    """Guard a program that waits and would end by itself after 20 seconds."""
    start = time.monotonic()
    program = "import sys, time\ntry: time.sleep(20)\nexcept KeyboardInterrupt: sys.exit(3)"
    status = guard.run([sys.executable, "-c", program], idle_seconds=idle_seconds, every_seconds=0.2)
    return status, time.monotonic() - start


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["foreground", "nohup"])
def test_a_run_that_waits_on_nothing_is_interrupted(program, capsys, before):
    program("squeue", "true")
    signal.signal(signal.SIGINT, before)
    status, seconds = waiting(idle_seconds=2)
    assert status == 3 and seconds < 15
    assert "the run waits on nothing" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ['echo "7|PENDING|rule_a|$PWD"', "exit 1"], ids=["a job waits", "SLURM does not answer"])
def test_a_run_with_jobs_or_without_an_answer_is_left_alone(program, answer):
    program("squeue", answer)
    command = [sys.executable, "-c", "import time; time.sleep(3)"]
    assert guard.run(command, idle_seconds=0.5, every_seconds=0.2) == 0


def test_what_fits_has_no_problem():
    assert problems() == []
    assert problems(slurm_partition="gpu", gpu=1, constraint="a100&nvlink", runtime=1440) == []
    assert problems(slurm_partition="gpu", gpu=4) == []
    assert problems(slurm_partition="gpu", gres="gpu:4", nodes=2) == []
    assert problems(slurm_partition="mixed", gpu=3) == []
    assert problems(slurm_partition="mixed", gres="gpu:v100:2") == []
    assert problems(slurm_partition="long", threads=8, runtime=100_000) == []
    assert problems(constraint="epyc|power9") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"slurm_account": "default"}, "slurm_account: 'default' is none of yours; write one of: project"),
        ({"slurm_partition": "batch"}, "slurm_partition of finetune: there is no 'batch'; write one of: cpu, gpu, long, mixed"),
        ({"runtime": 3000}, "runtime of finetune: 3000 is longer than 'cpu' allows; write at most 2880"),
        ({"threads": 128}, "finetune: no node of 'cpu' has 128 processors"),
        ({"mem_mb": 300_000}, "finetune: no node of 'cpu' has 8 processors, 300000 MB"),
        ({"gpu": 1}, "finetune: no node of 'cpu' has 8 processors, 8000 MB, 1 GPUs"),
        ({"slurm_partition": "gpu", "gpu": 5}, "finetune: no node of 'gpu' has 8 processors, 8000 MB, 5 GPUs"),
        ({"slurm_partition": "gpu", "gres": "gpu:5"}, "finetune: no node of 'gpu' has 8 processors, 8000 MB, 5 GPUs"),
        ({"slurm_partition": "gpu", "gres": "gpu:v100:1"}, "finetune: no node of 'gpu' has 8 processors, 8000 MB, 1 v100 GPUs"),
        ({"slurm_partition": "mixed", "gres": "gpu:a100:2"}, "finetune: no node of 'mixed' has 8 processors, 8000 MB, 2 a100 GPUs"),
        ({"slurm_partition": "gpu", "gres": "gpu:5", "nodes": 2}, "10 GPUs on 2 nodes"),
        ({"constraint": "epyc&xeon"}, "and the constraint 'epyc&xeon'"),
    ],
)
def test_what_does_not_fit_is_told_once_with_what_to_write(changes, told):
    (problem,) = problems(**changes)
    assert told in problem


@pytest.mark.parametrize(
    ("text", "model", "number"),
    [
        ("gpu:a100:4(S:0-1)", "", 4),
        ("gpu:2,mps:100", "", 2),
        ("mps:100,gpu:2", "", 2),
        ("gpu", "", 1),
        ("gpu:a100", "", 1),
        ("gpu:4", "a100", 0),
        ("gpu:3g.20gb:2(S:0),gpu:a100:1", "3g.20gb", 2),
        ("gpu:a100:1,gpu:v100:2", "", 3),
        ("mps:100", "", 0),
        ("", "", 0),
        ("gpumem:100", "", 0),
    ],
)
def test_gpus_are_counted_whatever_stands_beside_them(text, model, number):
    assert gres.count_gpus(text, model=model) == number


@pytest.mark.parametrize(
    ("limit", "minutes"), [("30:00", 30), ("1:00:00", 60), ("2-12:00:00", 3600), ("infinite", float("inf")), ("UNLIMITED", float("inf"))]
)
def test_limits_of_time_are_read(limit, minutes):
    assert check.minutes(limit) == minutes
