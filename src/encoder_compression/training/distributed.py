"""One training in several processes by torchrun: data parallelism, in which gradients are averaged (Li et al. 2020)."""

import importlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import environment

CALL, ANSWER = "call.json", "answer.json"
MODULE = "encoder_compression.training.distributed"


def launch(technique: Callable[..., dict], *, nodes: int, processes: int, threads: int, **arguments) -> dict:
    """Call the technique in so many processes a node, with so many threads in all of them; return the facts of the first process.

    More than one node are those of the SLURM job that this is. UserError where that is what the technique raised, RuntimeError
    where a process failed otherwise; its traceback is in the log.
    """
    folder = Path(arguments["model"]).parent / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arguments["goal"] = asdict(arguments["goal"]) | {"dataset": str(arguments["goal"].dataset)}
    call = {"module": technique.__module__, "name": technique.__name__, "arguments": arguments}
    (folder / CALL).write_text(json.dumps(call), encoding="utf-8")
    command = _on_nodes(nodes, processes, threads, folder) if nodes > 1 else _torchrun("--standalone", processes=processes, folder=folder)
    code = _run(command, threads=max(1, threads // processes))
    answer = json.loads((folder / ANSWER).read_text(encoding="utf-8")) if (folder / ANSWER).exists() else {}
    shutil.rmtree(folder)
    if "error" in answer:
        raise UserError(answer["error"])
    if code:
        raise RuntimeError(f"one of {nodes * processes} training processes failed; the log has its traceback")
    return answer["facts"]


def _torchrun(*meeting: str, processes: int, folder: Path) -> list[str]:
    """Return what starts the processes of one node; ``meeting`` says how nodes find each other."""
    return [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={processes}", "-m", MODULE, "serve", str(folder)]


def _on_nodes(nodes: int, processes: int, threads: int, folder: Path) -> list[str]:
    """Return what starts torchrun once on each node of a SLURM job.

    Snakemake's job step has removed what srun would know of the job, so it is told everything; without, it uses one node.
    """
    spread = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--cpus-per-task={threads}", "--kill-on-bad-exit=1"]
    return ["srun", *spread, sys.executable, "-m", MODULE, "join", str(folder), str(nodes), str(processes)]


def join(folder: Path, nodes: int, processes: int) -> None:
    """Become the torchrun of this node, which meets the others at the first one, at a port of the job's own."""
    names = subprocess.run(
        ["scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"]], capture_output=True, encoding="utf-8", check=True
    )
    hosts = names.stdout.split()
    if len(hosts) != nodes:
        raise UserError(
            f"the job has {len(hosts)} nodes in place of {nodes}; give the rule 'mpi: srun' and 'tasks: {nodes}' in the profile"
        )
    port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 10000
    meeting = [f"--nnodes={nodes}", f"--node-rank={os.environ['SLURM_NODEID']}", f"--master-addr={hosts[0]}", f"--master-port={port}"]
    command = _torchrun(*meeting, processes=processes, folder=folder)
    os.execv(command[0], command)


def _run(command: list[str], *, threads: int) -> int:
    """Run a command to its end and return its exit code; the SIGTERM that this process gets goes to it, too."""
    process = subprocess.Popen(command, env=os.environ | dict.fromkeys(environment.THREAD_VARIABLES, str(threads)))
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


@environment.blocked_imports()
def serve(folder: Path) -> None:
    """Answer the call in ``folder`` as one of its processes; the first one writes what it returns."""
    import torch
    from accelerate import PartialState

    from encoder_compression.training.train import Goal

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    # Accelerate numbers processors like cards, and torch does not know "cpu:0" when it reads a checkpoint.
    torch.serialization.register_package(5, lambda storage: None, lambda storage, place: storage if place.startswith("cpu:") else None)
    state = PartialState(cpu=not torch.cuda.is_available())
    call = json.loads((folder / CALL).read_text(encoding="utf-8"))
    technique = getattr(importlib.import_module(call["module"]), call["name"])
    goal = call["arguments"].pop("goal")
    try:
        answer = {"facts": technique(goal=Goal(**goal | {"dataset": Path(goal["dataset"])}), **call["arguments"])}
    except UserError as error:
        answer = {"error": str(error)}
    if state.is_main_process:
        (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")
    state.wait_for_everyone()
    state.destroy_process_group()


if __name__ == "__main__":
    role, folder, *numbers = sys.argv[1:]
    {"serve": serve, "join": join}[role](Path(folder), *map(int, numbers))
