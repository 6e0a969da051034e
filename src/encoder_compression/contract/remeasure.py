"""A fresh process in a delivery's folder that runs its predict.py: single calls by the clock, memory, and predictions if asked for.

It reads one JSON object from standard input, and writes one to standard output.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.run import environment, memory

IMPORTED = {"onnxruntime": ("onnxruntime",), "openvino": ("openvino",), "pytorch": ("torch", "transformers")}  # before memory is counted


def remeasure(*, inputs: list, warmup: int, calls: int, predict: bool) -> dict:
    """Return the milliseconds of the model and of whole calls with one input, in a shuffled order, peak MB, and "predictions".

    With ``predict`` there is an answer for each input, else none. "foreign_cpu_share" is what others took of the processor meanwhile.
    """
    predicting = importlib.import_module("predict")  # the delivery's own, as this process runs in its folder
    settings = predicting.read_settings(Path())
    for name in IMPORTED[settings["runtime"]]:
        importlib.import_module(name)
    task = predicting.load_task(Path(), settings)
    before_mb = memory.resident_mb()
    model = predicting.load_model(Path(), settings)
    memory.reset_peak()
    load = ForeignLoad([])
    order = np.random.default_rng(0).permutation(len(inputs))
    timed = [_call(task, model, inputs[order[call % len(order)]]) for call in range(warmup + calls)][warmup:]
    measured = {"latencies_ms": [of_model for of_model, _ in timed], "end_to_end_ms": [whole for _, whole in timed]}
    measured |= {"foreign_cpu_share": load.share(), "memory_mb": memory.peak_mb() - before_mb}
    return measured | {"predictions": predicting.predict(inputs, task, model, settings) if predict else None}


def _call(task, model, each) -> tuple[float, float]:
    """Return the milliseconds of the model, and from input to answer."""
    start = time.perf_counter()
    batch, rest = task.read(each)
    before = time.perf_counter()
    logits = model(batch)
    after = time.perf_counter()
    task.answer(logits, rest)
    return 1000 * (after - before), 1000 * (time.perf_counter() - start)


def main() -> None:
    """Answer the one command; what libraries print goes to standard error. A broken delivery is answered as {"error": …}."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with environment.blocked_imports():
        try:
            answer = remeasure(**json.load(sys.stdin))
        except Exception as error:
            if type(error).__name__ != "Broken":  # a class of the delivery's own
                raise
            answer = {"error": str(error)}
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
