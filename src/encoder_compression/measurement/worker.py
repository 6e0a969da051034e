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
from encoder_compression.measurement.text_calls import TextCalls
from encoder_compression.run import environment, memory
from encoder_compression.runtimes.workload import Batch, Workload
from encoder_compression.statistics.finite import require_finite

COMPARED = 64  # examples that tell whether batches change anything
TUNED_ON = "validation"  # whose lengths a runtime may prepare for; test is to be new to it


class Worker:
    """One loaded artifact and the examples of a split that it runs on."""

    def __init__(self, *, artifact: str, dataset: str, split: str, device: dict):
        self.artifact, self.dataset = artifact, Path(dataset)
        self.workload = Workload(self.dataset, split)
        self.order = self.workload.order()
        self.texts = TextCalls(Path(artifact), self.dataset, split, self.workload)
        _import_quantizer(self.artifact)
        self.runtime_name = device["runtime"]
        module = importlib.import_module(f"encoder_compression.runtimes.{self.runtime_name}_runtime")
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
        """Time single examples at positions first … first + calls - 1 of the fixed order, by the wall and by the processor's clock.

        Where they have raw texts, the model's calls are parts of calls from text to answer, which are timed too.
        """
        examples = [int(self.order[position % len(self.order)]) for position in range(first, first + calls)]
        in_tokens = (self._time(self.workload.single(example)) for example in examples)
        timed = self.texts.time(self.runtime, examples) if self.texts else list(in_tokens)
        return {name: [call[name] for call in timed] for name in timed[0]}

    def block(self, *, batch_size: int, length: int, calls: int) -> dict:
        """Time calls with a full batch of one length, without padding."""
        batch = self.workload.block(batch_size, length)
        return {"latencies_ms": [self._time_ms(batch) for _ in range(calls)]}

    def repeat(self, *, example: int, calls: int) -> dict:
        """Time calls with one example; returns also their shape, processor seconds, and peak memory above the imported runtime."""
        batch = self.workload.single(example)
        memory.reset_peak()
        used = time.process_time()
        latencies_ms = [self._time_ms(batch) for _ in range(calls)]
        processor_seconds = time.process_time() - used
        shape = list(batch["input_ids"].shape)
        return {"latencies_ms": latencies_ms, "shape": shape, "processor_seconds": processor_seconds, "peak_mb": self._memory_mb()}

    def profile(self, *, example: int, warmup: int, calls: int) -> dict:
        """Run calls with one example under the runtime's own profiler; returns what its profile module says."""
        module = importlib.import_module(f"encoder_compression.runtimes.{self.runtime_name}_profile")
        return module.profile(self.runtime, self.workload.single(example), warmup=warmup, calls=calls)

    def throughput(self, *, batch_size: int, examples: int, padded: bool) -> dict:
        """Time so many examples of all lengths in length-sorted batches of their inputs, padded to the longest of each or of the study."""
        chosen = self.workload.sample(examples)
        batches = list(self.workload.batches(batch_size, np.concatenate(chosen), padded=padded))
        return {"examples": len(chosen), "seconds": sum(self._time_ms(batch) for _, batch in batches) / 1000}

    def predict(self, *, batch_size: int | None, split: str) -> dict:
        """Run a whole split, example by example or in length-sorted batches, several side by side; returns the columns of its predictions.

        It is not timed, so it may use every core; comes after `facts`, as its memory is that of several batches. UserError where a
        logit is not finite.
        """
        os.sched_setaffinity(0, self.all_cores)
        workload, task = Workload(self.dataset, split), tasks.of_dataset(self.dataset)
        logits: list = [None] * len(workload.lengths)
        everything = np.arange(len(workload.lengths))
        batches = list(workload.singles() if batch_size is None else workload.batches(batch_size, everything, padded=False))
        with ThreadPoolExecutor(len(self.all_cores)) as pool:
            for (chosen, _), rows in zip(batches, pool.map(lambda pair: task.reduce(self._logits(pair[1])), batches), strict=True):
                for index, row in zip(chosen, rows, strict=True):
                    logits[index] = row
        os.sched_setaffinity(0, self.cores)
        return task.decode(self.dataset, split, logits)

    def batching(self, *, batch_size: int) -> dict:
        """Return how far batches move the logits of a few examples: the largest difference, over the largest logit.

        Floating point is rounded otherwise, by a millionth. Dynamic INT8 scales activations by batch, and moves logits by far more.
        """
        chosen = self.workload.sample(COMPARED)
        alone, together = {}, {}
        for batches, logits in (
            (self.workload.singles(chosen), alone),
            (self.workload.batches(batch_size, np.concatenate(chosen), padded=False), together),
        ):
            for inputs, batch in batches:
                logits |= dict(zip(inputs.tolist(), self._at_tokens(batch), strict=True))
        moved = max(float(np.abs(alone[index] - together[index]).max()) for index in alone)
        return {"moved": moved / max(float(np.abs(row).max()) for row in alone.values())}

    def _at_tokens(self, batch: Batch) -> list[np.ndarray]:
        """Return the logits of each input of a batch, those at padding left out: of classes, [2, length] of spans or [length, words]."""
        logits, lengths = self._logits(batch), batch["attention_mask"].sum(axis=1)
        if logits.ndim == 2:
            return list(logits)
        of_spans = logits.shape[1:] == (2, batch["input_ids"].shape[1])
        return [row[:, :length] if of_spans else row[:length] for row, length in zip(logits, lengths, strict=True)]

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

    def _time(self, batch: Batch) -> dict[str, float]:
        """Run a batch; returns the milliseconds that passed, and those that this process's threads computed."""
        used, start = time.process_time(), time.perf_counter()
        self.runtime(batch)
        end = time.perf_counter()
        return {"latencies_ms": (end - start) * 1000, "processor_ms": (time.process_time() - used) * 1000}

    def _time_ms(self, batch: Batch) -> float:
        return self._time(batch)["latencies_ms"]

    def _memory_mb(self) -> float:
        """Return the peak since the last reset, above the imported runtime; on a card, its allocator's."""
        device_mb = self.runtime.device_memory_mb()
        return memory.peak_mb() - self.before_mb if device_mb is None else device_mb


def _import_quantizer(artifact: str) -> None:
    """Import the library that reads an artifact's quantized weights, if any: its memory is the runtime's, and not the variant's."""
    config = Path(artifact) / CONFIG
    library = quantization_config.library(read_json(config)) if config.exists() else None
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
