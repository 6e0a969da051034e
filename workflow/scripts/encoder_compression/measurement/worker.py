"""A fresh process that loads one artifact and obeys commands on its standard input, one JSON object a line each way.

It lives as long as one measurement, so its memory is the variant's own and nothing else is timed with it.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import psutil

from encoder_compression.errors import UserError
from encoder_compression.measurement import memory
from encoder_compression.measurement.workload import Workload


class Worker:
    """One loaded artifact and the test sentences it runs on."""

    def __init__(self, *, artifact: str, dataset: str, runtime: str, hardware: str, threads: int):
        self.workload = Workload(Path(dataset))
        self.order = self.workload.order()
        module = importlib.import_module(f"encoder_compression.measurement.{runtime}_runtime")
        self.before_mb = memory.resident_mb()
        memory.reset_peak()
        self.runtime = module.Runtime(Path(artifact), hardware=hardware, threads=threads)

    def latency(self, *, first: int, calls: int) -> dict:
        """Time single sentences at positions first … first + calls - 1 of the fixed order."""
        latencies_ms = []
        for position in range(first, first + calls):
            ids, mask = self.workload.single(self.order[position % len(self.order)])
            start = time.perf_counter()
            self.runtime(ids, mask)
            latencies_ms.append((time.perf_counter() - start) * 1000)
        return {"latencies_ms": latencies_ms}

    def predict(self, *, batch_size: int) -> dict:
        """Run the whole test split in length-sorted batches; returns logits in its own order and the seconds taken."""
        logits: list = [None] * len(self.workload.sentences)
        seconds = 0.0
        for chosen, ids, mask in self.workload.batches(batch_size):
            start = time.perf_counter()
            found = self.runtime(ids, mask)
            seconds += time.perf_counter() - start
            for index, row in zip(chosen, found.tolist(), strict=True):
                logits[index] = row
        return {"logits": logits, "seconds": seconds}

    def facts(self) -> dict:
        """Return peak memory above the imported runtime, the process's own processor seconds, and what ran."""
        device_mb = self.runtime.device_memory_mb()
        host_mb = memory.peak_mb() - self.before_mb
        times = psutil.Process().cpu_times()
        return self.runtime.facts() | {
            "memory_mb": host_mb if device_mb is None else device_mb,
            "memory_of_runtime_mb": self.before_mb,
            "cpu_seconds": times.user + times.system,
            "imported": [name for name in ("torch", "transformers", "onnxruntime") if name in sys.modules],
        }


def serve() -> None:
    """Answer commands until standard input closes; a mistake of the user is answered as {"error": …}."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    worker = None
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("command")
        try:
            if name == "load":
                worker = Worker(**command)
                answer = {}
            else:
                answer = getattr(worker, name)(**command)
        except UserError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve()
