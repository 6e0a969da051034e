"""The side of a measurement that starts workers and asks them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run.environment import ALLOCATOR_SETTINGS, PROCESS_SETTINGS, THREAD_VARIABLES


class RemoteWorker:
    """A worker process as a context manager; its methods are the commands of `worker.Worker`."""

    def __init__(self, *, artifact: Path, dataset: Path, split: str, device: dict):
        self.load = {
            "artifact": str(artifact),
            "dataset": str(dataset),
            "split": split,
            "device": device,
        }

    def __enter__(self) -> "RemoteWorker":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "encoder_compression.measurement.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=_environment(self.load["device"]["threads"]),
        )
        self._send("load", self.load)  # without waiting, so that a variant and its partner load side by side
        self.loaded = False
        return self

    def __exit__(self, *exception) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def ask(self, command: str, **arguments) -> dict:
        """Send a command and return the answer; raises UserError or RuntimeError where there is none."""
        self.wait_until_loaded()
        self._send(command, arguments)
        return self._answer()

    def wait_until_loaded(self) -> None:
        """Return once the artifact is loaded; raises what loading it raised."""
        if not self.loaded:
            self._answer()
            self.loaded = True

    def _send(self, command: str, arguments: dict) -> None:
        print(json.dumps({"command": command} | arguments), file=self.process.stdin, flush=True)

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker for {self.load['artifact']} died with code {self.process.wait(timeout=60)}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return answer


@contextmanager
def starting(sides: list[tuple[Path, dict, Path]], *, split: str) -> Iterator[list[RemoteWorker]]:
    """Yield a fresh worker per (artifact, device, data set), which time examples of the split; they are still loading, side by side."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(RemoteWorker(artifact=artifact, dataset=dataset, split=split, device=device))
            for artifact, device, dataset in sides
        ]


@contextmanager
def started(sides: list[tuple[Path, dict, Path]], *, split: str) -> Iterator[list[RemoteWorker]]:
    """Yield the workers of `starting` once all have loaded."""
    with starting(sides, split=split) as workers:
        for worker in workers:
            worker.wait_until_loaded()
        yield workers


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a measured process: its threads, and the allocator as it comes."""
    settings = os.environ | PROCESS_SETTINGS | dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {name: value for name, value in settings.items() if name not in ALLOCATOR_SETTINGS}
