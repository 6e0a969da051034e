"""Releases what a Snakemake that was killed left locked, so that the next run just goes on.

Snakemake's own locks do not say who holds them. A run leaves a record of its process here, which tells a dead holder
from a living one. A record of another host counts as living: then `snakemake --unlock` is for the user to decide.
"""

import socket
from pathlib import Path

import psutil

RECORDS = Path(".snakemake/runners")
LOCKS = Path(".snakemake/locks")


def record_runner() -> None:
    """Write down this process as one that holds locks in the working directory."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    _own_record().write_text(str(psutil.Process().create_time()), encoding="utf-8")


def forget_runner() -> None:
    """Take the record of this process away."""
    _own_record().unlink(missing_ok=True)


def release_after_kill() -> None:
    """Remove Snakemake's locks where there are records of runners and none of them lives."""
    records = list(RECORDS.glob("*"))
    if records and not living_runners():
        for file in [*LOCKS.glob("*.lock"), *records]:
            file.unlink(missing_ok=True)


def living_runners() -> list[Path]:
    """Return the records of the runs in the working directory that may live."""
    return [record for record in RECORDS.glob("*") if _lives(record)]


def _own_record() -> Path:
    return RECORDS / f"{socket.gethostname()}_{psutil.Process().pid}"


def _lives(record: Path) -> bool:
    host, _, pid = record.name.rpartition("_")
    if host != socket.gethostname():
        return True
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(record.read_text(encoding="utf-8"))) < 1
    except psutil.NoSuchProcess:
        return False
