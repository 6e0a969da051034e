"""The side of a measurement that starts workers and asks them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import encoder_compression
from encoder_compression.environment import PROCESS_SETTINGS
from encoder_compression.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class RemoteWorker:
    """A worker process as a context manager; its methods are the commands of `worker.Worker`."""

    def __init__(self, *, artifact: Path, dataset: Path, device: dict):
        self.load = {
            "artifact": str(artifact),
            "dataset": str(dataset),
            "runtime": device["runtime"],
            "hardware": device["hardware"],
            "threads": device["threads"],
        }

    def __enter__(self) -> "RemoteWorker":
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.load["threads"]))
        library = str(Path(encoder_compression.__file__).parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "encoder_compression.measurement.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | PROCESS_SETTINGS | threads | {"PYTHONPATH": library},
        )
        self.ask("load", **self.load)
        return self

    def __exit__(self, *exception) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def ask(self, command: str, **arguments) -> dict:
        """Send a command and return the answer; raises UserError or RuntimeError where there is none."""
        print(json.dumps({"command": command} | arguments), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker for {self.load['artifact']} died with code {self.process.wait(timeout=60)}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return answer
