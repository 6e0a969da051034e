"""Compare the ratios of two one-thread rows that are timed alone with those of the same processes timed side by side on cores of their own.

    python benchmarks/side_by_side.py results/reviews 6

The folder holds a finished study with teacher, teacher+width50 and teacher+int8. In each of the turns two pairs of processes start, one
per core: teacher against teacher+width50 in PyTorch, and teacher against teacher+int8 in ONNX Runtime. Each pair is timed alone, then
both at once, then alone again.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from encoder_compression.measurement.remote import RemoteWorker, starting
from encoder_compression.measurement.rounds import ask_in_turn
from encoder_compression.statistics import ratios

CPU = {"hardware": "cpu", "precision": "float32", "threads": 1}
PAIRS = {"width50": ("teacher+width50", "pytorch", "model"), "int8": ("teacher+int8", "onnxruntime", "onnx")}
ROUNDS, CALLS = 12, 20


def pair_on(core: int, results: Path, name: str, stack: ExitStack) -> list[RemoteWorker]:
    """Start a variant and the teacher on a core."""
    variant, runtime, form = PAIRS[name]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # which the processes inherit
    artifacts = [results / each / "seed1" / form for each in (variant, "teacher")]
    sides = [(artifact, CPU | {"runtime": runtime}, results / "dataset") for artifact in artifacts]
    workers = stack.enter_context(starting(sides, split="test"))
    os.sched_setaffinity(0, cores)
    return workers


def log_ratio(workers: list[RemoteWorker]) -> float:
    """Return the median log ratio over a few rounds."""
    timed = [ask_in_turn(workers, number, "latency", first=10 + number * CALLS, calls=CALLS) for number in range(ROUNDS)]
    return float(np.median(np.concatenate([ratios.log_ratios(each, "processor_ms") for each in timed])))


def turn(results: Path) -> list[dict[str, float]]:
    """Return the log ratios of both pairs: alone, side by side, and alone again."""
    with ExitStack() as stack:
        pairs = {name: pair_on(core, results, name, stack) for core, name in enumerate(PAIRS)}
        for workers in pairs.values():
            for worker in workers:
                worker.ask("latency", first=0, calls=10)
        alone = {name: log_ratio(workers) for name, workers in pairs.items()}
        with ThreadPoolExecutor(len(pairs)) as pool:
            beside = dict(zip(pairs, pool.map(log_ratio, pairs.values()), strict=True))
        return [alone, beside, {name: log_ratio(workers) for name, workers in pairs.items()}]


def main() -> None:
    """Print, per pair, how far the ratio moves side by side, and how far it moves between two times alone."""
    turns = [turn(Path(sys.argv[1])) for _ in range(int(sys.argv[2]))]
    for name in PAIRS:
        before, beside, after = (np.array([each[place][name] for each in turns]) for place in range(3))
        alone = (before + after) / 2
        moved, noise = np.expm1(beside - alone), np.expm1(after - before)
        print(f"{name}: {np.exp(alone.mean()):.3f}x alone, {np.exp(beside.mean()):.3f}x side by side")
        for title, values in (("side by side", moved), ("alone twice", noise)):
            print(f"  {title}: {values.mean():+.1%} on average, from {values.min():+.1%} to {values.max():+.1%}")


if __name__ == "__main__":
    main()
