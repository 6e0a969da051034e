"""A killed run's locks are released, a living run's never."""

import os
import socket
import subprocess
import sys

import pytest

from encoder_compression.run import locks


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A working directory with a lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    locks.LOCKS.mkdir(parents=True)
    lock = locks.LOCKS / "0.output.lock"
    lock.touch()
    return lock


def record_of_a_dead_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    locks.RECORDS.mkdir(parents=True)
    (locks.RECORDS / f"{socket.gethostname()}_{child.pid}").write_text("0", encoding="utf-8")


def test_the_lock_of_a_dead_run_is_released(locked):
    record_of_a_dead_process()
    locks.release_after_kill()
    assert not locked.exists()
    assert not list(locks.RECORDS.glob("*"))


def test_the_lock_of_a_living_run_is_kept(locked):
    record_of_a_dead_process()
    locks.record_runner()
    locks.release_after_kill()
    assert locked.exists()


def test_a_process_that_only_has_the_dead_ones_number_does_not_count(locked):
    locks.RECORDS.mkdir(parents=True)
    (locks.RECORDS / f"{socket.gethostname()}_{os.getpid()}").write_text("12.5", encoding="utf-8")
    locks.release_after_kill()
    assert not locked.exists()


def test_what_another_host_holds_is_left_alone(locked):
    locks.RECORDS.mkdir(parents=True)
    (locks.RECORDS / "elsewhere_1").write_text("0", encoding="utf-8")
    locks.release_after_kill()
    assert locked.exists()


def test_a_lock_without_any_record_is_left_alone(locked):
    locks.release_after_kill()
    assert locked.exists()
