"""The SLURM jobs of this working directory, as squeue and scancel know them; silent where there is no SLURM."""

import getpass
import shutil
import subprocess
import time
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import locks

FORMAT = "%A|%T|%k|%Z"  # number, state, comment (the rule), working directory
SECONDS_TO_END = 180


def own_jobs() -> list[dict[str, str]] | None:
    """Return number, state and rule of the unfinished jobs submitted from this folder; None where SLURM does not answer."""
    answer = ask("squeue", "--noheader", f"--user={getpass.getuser()}", f"--format={FORMAT}")
    if answer is None:
        return None
    rows = [line.split("|", 3) for line in answer.splitlines()]
    here = str(Path.cwd())
    return [{"number": number, "state": state, "rule": rule} for number, state, rule, folder in rows if folder == here]


def refuse_orphans() -> None:
    """Raise UserError where jobs of a run that was killed still work here: a new run would do the same work beside them."""
    jobs = own_jobs()
    if jobs and not locks.living_runners():
        raise UserError(f"{len(jobs)} SLURM jobs of a run that was killed still work in this folder; cancel them: make slurm-clean")


def cancel_orphans() -> int:
    """Cancel the jobs of this folder whose Snakemake is dead and wait for their end; returns how many.

    Raises UserError where a Snakemake may still live, or where a job does not end.
    """
    runners = locks.living_runners()
    if runners:
        files = " ".join(str(runner) for runner in runners)
        raise UserError(f"a run may still live (host_process: {files}); stop it with Ctrl-C, or if it is dead: rm {files}")
    jobs = own_jobs()
    if jobs is None:
        raise UserError("SLURM does not answer (squeue); try again where it does")
    if jobs:
        subprocess.run(["scancel", *(job["number"] for job in jobs)], check=True, timeout=60)
        _wait_for_end()
    return len(jobs)


def _wait_for_end() -> None:
    """Return once no job of the folder is left; a training saves a checkpoint before it goes."""
    deadline = time.monotonic() + SECONDS_TO_END
    while own_jobs() != []:
        if time.monotonic() > deadline:
            raise UserError(f"cancelled jobs have not ended within {SECONDS_TO_END} s; look at squeue --me and try again")
        time.sleep(1)


def ask(*command: str) -> str | None:
    """Return what a command prints; None where it is missing, fails or takes more than 20 seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=20, check=True).stdout
    except subprocess.SubprocessError:
        return None
