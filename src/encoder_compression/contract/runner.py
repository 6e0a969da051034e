"""Snakemake as a part of a longer command: its lines go to a log, it ends in time, and a mistake is one line."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TextIO

POLL_SECONDS = 0.5
GRACE_SECONDS = 120  # for jobs to end and Snakemake to clean up
MISTAKE = re.compile(r"^Error: (?:(?! \(log: ).)*", re.MULTILINE)  # a job says it once for the terminal, with its log, and once in that log


def run(arguments: list[str], *, log: Path, seconds: float | None, poll: Callable[[], None]) -> list[str]:
    """Run snakemake with these arguments, for so many seconds at most; returns what went wrong, in lines, and nothing where all went well.

    A run that is out of time is interrupted, and no mistake: what it made stays. ``poll`` is called all the while.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = log.stat().st_size if log.exists() else 0
    with log.open("a", encoding="utf-8") as file:
        process = _start([sys.executable, "-m", "snakemake", *arguments], file)
        try:
            in_time = _wait(process, seconds, poll)
        except BaseException:
            _interrupt(process)
            raise
    poll()
    if process.returncode == 0 or not in_time:
        return []
    output = log.read_text(encoding="utf-8")[begin:]
    return list(dict.fromkeys(MISTAKE.findall(output))) or [f"Error: snakemake ended with status {process.returncode} (log: {log})"]


def _start(command: list[str], output: TextIO) -> subprocess.Popen:
    """Start a command that hears an interrupt, which a shell keeps from what it starts in the background."""
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=hear)


def _wait(process: subprocess.Popen, seconds: float | None, poll: Callable[[], None]) -> bool:
    """Return whether the process ended by itself; it is interrupted where the seconds are over."""
    start = time.monotonic()
    while process.poll() is None:
        if seconds is not None and time.monotonic() - start > seconds:
            _interrupt(process)
            return False
        time.sleep(POLL_SECONDS)
        poll()
    return True


def _interrupt(process: subprocess.Popen) -> None:
    """End a run with its jobs as Ctrl-C does, so that it leaves no lock and no half-made output."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
