"""The side of a comparison that starts a candidate's process and asks it."""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from encoder_compression.run.environment import ALLOCATOR_SETTINGS, THREAD_VARIABLES
from peers.making import Failed, reason, settings

BENCHMARKS = Path(__file__).parent.parent


class Worker:
    """A candidate's process as a context manager; each entry starts it afresh."""

    def __init__(self, *, python: Path, loader: str, artifact: Path, inputs: Path, log: Path):
        self.command = [str(python), "-m", "peers.worker", loader, str(artifact.resolve()), str(inputs.resolve())]
        self.log = log
        threads = dict.fromkeys(THREAD_VARIABLES, "1")
        self.settings = {name: value for name, value in settings(python).items() if name not in ALLOCATOR_SETTINGS} | threads

    def __enter__(self) -> "Worker":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, cwd=BENCHMARKS, env=self.settings, encoding="utf-8", stderr=log, **pipes)
        return self

    def __exit__(self, *exception) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=60)

    def loaded(self, core: int) -> float:
        """Return the MB of all files that an answer needs, once the candidate is loaded; its threads then keep to the core."""
        files = self._answer()["files"]
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
        return sum(files.values()) / 1e6

    def ask(self, texts: list[str]) -> dict:
        """Return labels, seconds of each call and peak memory, as `peers.worker` tells them; Failed where the process died."""
        with suppress(BrokenPipeError):  # what it died of is in its log
            print(json.dumps({"texts": texts}), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait(timeout=60)
            raise Failed(reason(self.log) or f"its process ended with code {code}")
        return json.loads(line)
