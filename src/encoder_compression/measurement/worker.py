"""A fresh process that loads one artifact and obeys commands on its standard input, one JSON object a line each way.

It lives as long as one measurement, so its memory is the variant's own and nothing else is timed with it.
"""

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from encoder_compression.data import tasks
from encoder_compression.encoders import quantization_config
from encoder_compression.encoders.safety import CONFIG, read_json
from encoder_compression.errors import UserError
from encoder_compression.run import environment, memory
from encoder_compression.runtimes.workload import Batch, Workload
from encoder_compression.statistics.finite import require_finite

TUNED_ON = "validation"  # whose lengths a runtime may prepare for; test is to be new to it


class Worker:
    """One loaded artifact and the examples of a split that it runs on."""

    def __init__(self, *, artifact: str, dataset: str, split: str, device: dict):
        self.artifact, self.dataset = artifact, Path(dataset)
        self.workload = Workload(self.dataset, split)
        self.order = self.workload.order()
        _import_quantizer(self.artifact)
        module = importlib.import_module(f"encoder_compression.runtimes.{device['runtime']}_runtime")
        lengths = Workload(self.dataset, TUNED_ON).single_lengths()
        names = set(self.workload.single(0))
        self.before_mb = memory.resident_mb()
        memory.reset_peak()
        self.runtime = module.Runtime(Path(artifact), device=device)
        self.runtime.prepare(lengths, names)
        self.load_mb = self._memory_mb()
        memory.reset_peak()
        self.all_cores = os.sched_getaffinity(0)
        self.cores = _pin(device["threads"])

    def latency(self, *, first: int, calls: int) -> dict:
        """Time single examples at positions first … first + calls - 1 of the fixed order."""
        positions = (self.order[position % len(self.order)] for position in range(first, first + calls))
        return {"latencies_ms": [self._time_ms(self.workload.single(index)) for index in positions]}

    def block(self, *, batch_size: int, length: int, calls: int) -> dict:
        """Time calls with a full batch of one length, without padding."""
        batch = self.workload.block(batch_size, length)
        return {"latencies_ms": [self._time_ms(batch) for _ in range(calls)]}

    def throughput(self, *, batch_size: int, examples: int, padded: bool) -> dict:
        """Time so many examples of all lengths in length-sorted batches of their inputs, padded to the longest of each or of the study."""
        chosen = self.workload.sample(examples)
        batches = list(self.workload.batches(batch_size, np.concatenate(chosen), padded=padded))
        return {"examples": len(chosen), "seconds": sum(self._time_ms(batch) for _, batch in batches) / 1000}

    def predict(self, *, batch_size: int, split: str) -> dict:
        """Run a whole split in length-sorted batches, several side by side; returns the columns of its predictions.

        It is not timed, so it may use every core; comes after `facts`, as its memory is that of several batches. UserError where a
        logit is not finite.
        """
        os.sched_setaffinity(0, self.all_cores)
        workload, task = Workload(self.dataset, split), tasks.of_dataset(self.dataset)
        logits: list = [None] * len(workload.lengths)
        batches = list(workload.batches(batch_size, np.arange(len(workload.lengths)), padded=False))
        with ThreadPoolExecutor(len(self.all_cores)) as pool:
            for (chosen, _), rows in zip(batches, pool.map(lambda pair: task.reduce(self._logits(pair[1])), batches), strict=True):
                for index, row in zip(chosen, rows, strict=True):
                    logits[index] = row
        os.sched_setaffinity(0, self.cores)
        return task.decode(self.dataset, split, logits)

    def _logits(self, batch: Batch) -> np.ndarray:
        remedy = "give the device precision float32, or make the artifact anew from weights that trained with a lower learning_rate"
        return require_finite(self.runtime(batch), source=self.artifact, remedy=remedy)

    def facts(self) -> dict:
        """Return peak memory above the imported runtime, the process's own processor seconds, and what ran where."""
        times = psutil.Process().cpu_times()
        return self.runtime.facts() | {
            "memory_load_mb": self.load_mb,
            "memory_run_mb": self._memory_mb(),
            "memory_of_runtime_mb": self.before_mb,
            "cpu_seconds": times.user + times.system,
            "cores": self.cores,
            "imported": [name for name in ("torch", "transformers", "onnxruntime", "openvino", "nncf") if name in sys.modules],
        }

    def proof(self) -> dict:
        """Return which operators ran where, by the runtime's own account; the last command, as it loads things anew."""
        return self.runtime.proof(self.workload.single(0))

    def _time_ms(self, batch: Batch) -> float:
        start = time.perf_counter()
        self.runtime(batch)
        return (time.perf_counter() - start) * 1000

    def _memory_mb(self) -> float:
        """Return the peak since the last reset, above the imported runtime; on a card, its allocator's."""
        device_mb = self.runtime.device_memory_mb()
        return memory.peak_mb() - self.before_mb if device_mb is None else device_mb


def _import_quantizer(artifact: str) -> None:
    """Import the library that reads an artifact's quantized weights, if any: its memory is the runtime's, and not the variant's."""
    library = quantization_config.library(read_json(Path(artifact) / CONFIG))
    if library:
        environment.allow_import(library)
        importlib.import_module(library)


def _pin(threads: int) -> list[int]:
    """Keep every thread of this process on the first cores it may use, as many as it has threads; returns them.

    A variant and its partner take turns on the same cores, so a slower core cannot favour either.
    """
    cores = sorted(os.sched_getaffinity(0))[:threads]
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # one that ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)
    return cores


@environment.blocked_imports()
def serve() -> None:
    """Answer commands until standard input closes; a mistake of the user is answered as {"error": …}."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
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
    answers.close()
    os._exit(0)  # nothing is left to save, and taking the libraries down takes seconds


if __name__ == "__main__":
    serve()
