"""Look at the SLURM cluster and say what the block "yours" of profiles/slurm/config.yaml needs: encoder-compression slurm check."""

import getpass
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.cluster.queue import ask
from encoder_compression.planning import gres
from encoder_compression.planning.dryrun import Job, list_jobs
from encoder_compression.planning.plan import gpus

PROFILE = "profiles/slurm"
ROW = "  {:<14}{:>6}{:>12}{:>12}{:>15}  {:<24}{}".format
HEAD = ROW("partition", "nodes", "processors", "memory MB", "minutes", "GPUs", "features")
PYTHON = sys.executable  # before a dry run in this process quotes it for Snakemake's commands
MIN_JOB_AGE = 200  # seconds; the plugin looks at its jobs every 180 at least
PROBE_SECONDS = 120
# Run on a node, in this folder: prints whether it sees a file made here, runs the environment, and reaches the internet.
PROBE = """
import importlib.util, pathlib, socket, sys
print('folder', pathlib.Path(sys.argv[1]).exists())
print('environment', all(importlib.util.find_spec(name) for name in ('snakemake', 'torch', 'encoder_compression')))
try:
    socket.create_connection(('pypi.org', 443), timeout=5)
    print('internet', True)
except OSError:
    print('internet', False)
"""


@dataclass(frozen=True)
class Nodes:
    """One kind of node of a partition: how many, processors, memory in MB, the longest job in minutes, GPUs, features."""

    partition: str
    count: int
    processors: int
    memory_mb: int
    minutes: float
    gres: str
    features: frozenset[str]


def read_nodes(answer: str) -> list[Nodes]:
    """Return the kinds of nodes that ``sinfo --format='%R|%D|%c|%m|%l|%G|%f'`` lists."""
    rows = [line.split("|") for line in answer.splitlines()]
    return [
        Nodes(
            name, int(count), _number(processors), _number(memory), minutes(limit), "" if cards == "(null)" else cards, _features(features)
        )
        for name, count, processors, memory, limit, cards, features in rows
    ]


def _number(text: str) -> int:
    return int(text.rstrip("+"))  # "8+" where nodes differ


def _features(text: str) -> frozenset[str]:
    return frozenset() if text == "(null)" else frozenset(text.split(","))


def minutes(limit: str) -> float:
    """Return SLURM's days-hours:minutes:seconds in minutes; infinite where there is no limit."""
    if not limit[0].isdigit():
        return float("inf")
    days, _, clock = limit.rpartition("-")
    hours, mins, seconds = ([0, 0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def find_problems(jobs: list[Job], nodes: list[Nodes], accounts: set[str]) -> list[str]:
    """Return in words what the jobs ask for that the cluster does not have, each once."""
    problems = [problem for job in jobs for problem in _problems(job, nodes, accounts)]
    return list(dict.fromkeys(problems))


def _problems(job: Job, nodes: list[Nodes], accounts: set[str]) -> list[str]:
    wanted = job.resources
    partition, account = str(wanted.get("slurm_partition")), str(wanted.get("slurm_account"))
    problems = []
    if accounts and account not in accounts:
        problems.append(f"slurm_account: '{account}' is none of yours; write one of: {', '.join(sorted(accounts))}")
    kinds = [kind for kind in nodes if kind.partition == partition]
    if not kinds:
        known = ", ".join(sorted({kind.partition for kind in nodes}))
        return [*problems, f"slurm_partition of {job.rule}: there is no '{partition}'; write one of: {known}"]
    if wanted["runtime"] > kinds[0].minutes:
        longest = f"write at most {kinds[0].minutes:.0f}"
        problems.append(f"runtime of {job.rule}: {wanted['runtime']} is longer than '{partition}' allows; {longest}")
    if not any(_fits(job, kind) for kind in kinds):
        asked = f"{job.threads} processors, {wanted['mem_mb']} MB, {_gpus_in_words(wanted)}"
        problems.append(f"{job.rule}: no node of '{partition}' has {asked} and the constraint '{wanted.get('constraint', '')}'")
    return problems


def _gpus_in_words(wanted: dict) -> str:
    model, nodes = gres.wanted_model(wanted), wanted.get("nodes", 1)
    return f"{gpus(wanted)} {f'{model} ' if model else ''}GPUs{f' on {nodes} nodes' if nodes > 1 else ''}"


def _fits(job: Job, kind: Nodes) -> bool:
    wanted = job.resources
    features = set(re.findall(r"[\w.-]+", str(wanted.get("constraint", ""))))
    any_of = "|" in str(wanted.get("constraint", ""))
    has_features = bool(features & kind.features) if any_of else features <= kind.features
    has_gpus = math.ceil(gpus(wanted) / wanted.get("nodes", 1)) <= gres.count_gpus(kind.gres, model=gres.wanted_model(wanted))
    return has_features and has_gpus and job.threads <= kind.processors and wanted["mem_mb"] <= kind.memory_mb


def probe(partition: str) -> dict[str, bool] | None:
    """Return what a small job on the partition finds: this folder, its environment, the internet; None where none ran in time."""
    sight = Path(".snakemake/slurm-check").resolve()
    sight.parent.mkdir(exist_ok=True)
    sight.touch()
    place = [f"--partition={partition}", f"--immediate={PROBE_SECONDS}", "--time=2", "--ntasks=1", "--mem=500"]
    try:
        command = ["srun", "--quiet", *place, PYTHON, "-c", PROBE, str(sight)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=2 * PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        sight.unlink()
    return {line.split()[0]: line.split()[1] == "True" for line in done.stdout.splitlines()} if not done.returncode else None


def _say_probe(partition: str, commands: dict[str, bool] | None) -> list[str]:
    if commands is None:
        print(f"  {partition}: no small job ran within {PROBE_SECONDS} s; busy, or srun refuses it")
        return []
    print(f"  {partition}: internet: {'yes' if commands['internet'] else 'no, and none is needed: downloads are local jobs'}")
    words = {
        "folder": "its nodes do not see this folder; work on a file system that all nodes share",
        "environment": "its nodes cannot use this .venv; it must lie on a file system that all nodes share",
    }
    return [f"{partition}: {word}" for name, word in words.items() if not commands[name]]


def _accounts() -> set[str]:
    command = ("sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={getpass.getuser()}", "format=account")
    return set((ask(*command) or "").split())


def _controller_problems() -> list[str]:
    settings = dict(re.findall(r"^(\w+)\s+= (.*)$", ask("scontrol", "show", "config") or "", re.MULTILINE))
    age = int(settings.get("MinJobAge", "0").split()[0])
    print(f"  MinJobAge {age} s, KillWait {settings.get('KillWait')}, JobRequeue {settings.get('JobRequeue')}")
    if age >= MIN_JOB_AGE:
        return []
    return [f"MinJobAge is {age} s: squeue forgets a job before the plugin looks; run by 'make slurm', which ends a run that hangs"]


def check_cluster() -> int:
    """Print what the cluster has and what of the profile does not fit; returns 1 where something does not."""
    answer = ask("sinfo", "--noheader", "--format=%R|%D|%c|%m|%l|%G|%f")
    if answer is None:
        print("Error: sinfo is missing or does not answer; run this on a login node of the cluster", file=sys.stderr)
        return 1
    nodes = read_nodes(answer)
    print("The cluster:", HEAD, sep="\n")
    for kind in nodes:
        size = (kind.count, kind.processors, kind.memory_mb, f"{kind.minutes:.0f}")
        print(ROW(kind.partition, *size, kind.gres or "-", ",".join(sorted(kind.features))))
    accounts = _accounts()
    print(f"  accounts: {', '.join(sorted(accounts)) or 'the cluster does not say'}")
    problems = _controller_problems()
    jobs = [job for job in list_jobs(["--profile", PROFILE, "--cores", "1024", "--forceall"])[0] if not job.rule.startswith("prepare_")]
    problems += find_problems(jobs, nodes, accounts)
    print("A small job on each partition of the profile:")
    for partition in sorted({job.resources["slurm_partition"] for job in jobs} & {kind.partition for kind in nodes}):
        problems += _say_probe(partition, probe(partition))
    print(*[f"! {problem}" for problem in problems] or ["The profile fits."], sep="\n")
    return int(bool(problems))
