"""
Run Snakemake and end it when it waits on nothing: make slurm, or encoder-compression slurm guard before a command of your own.

The SLURM plugin can lose sight of a job, and then Snakemake waits for ever. The sign is a run without any job in SLURM's
queue and without any local one. What ends so goes on with the next run, like any run that was stopped.
"""

import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from encoder_compression.cluster.queue import own_jobs

SECONDS_TO_STOP = 300  # Snakemake looks at its jobs every 3 minutes at least, and ends after a look


def run(command: list[str], *, idle_seconds: float, every_seconds: float) -> int:
    """Run the command and return its exit status; interrupt it once it has waited on nothing for ``idle_seconds``."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nohup and & let a child ignore it, and then it could not be interrupted
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches Snakemake itself
    busy = time.monotonic()
    while process.poll() is None:
        if _works(process):
            busy = time.monotonic()
        if time.monotonic() - busy > idle_seconds:
            return _end(process)
        _wait(process, every_seconds)
    return process.returncode


def _works(process: subprocess.Popen) -> bool:
    """Say whether there is anything to wait for: a job in the queue, a child process, or an answer of SLURM."""
    jobs = own_jobs()
    return jobs is None or bool(jobs) or bool(psutil.Process(process.pid).children())


def _wait(process: subprocess.Popen, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def _end(process: subprocess.Popen) -> int:
    print("Error: the run waits on nothing, as no job of it is in SLURM's queue; ended, run it again to go on", file=sys.stderr)
    process.send_signal(signal.SIGINT)
    _wait(process, SECONDS_TO_STOP)
    process.kill()
    return process.wait() or 1
