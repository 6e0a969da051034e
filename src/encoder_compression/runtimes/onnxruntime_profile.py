"""Where a call spends its time in ONNX Runtime, by its own profile."""

import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime

from encoder_compression.runtimes.onnxruntime_runtime import Runtime
from encoder_compression.runtimes.workload import Batch

ENDING = "_kernel_time"


def profile(runtime: Runtime, batch: Batch, *, warmup: int, calls: int) -> dict:
    """Run a batch under the profiler in a session of its own; returns what `operators` and `trace` say, and each call's "profiled_ms"."""
    with tempfile.TemporaryDirectory() as folder:
        options = runtime._options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(runtime.graph, options, providers=[runtime.provider])
        profiled_ms = [_time_ms(runtime, session, batch) for _ in range(warmup + calls)][warmup:]
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = _by_call(events)
    described = operators(runs[warmup:])
    return {"profiled_ms": profiled_ms, "operators": described, "allocated_peak_mb": _peak_mb(runs[0]), "trace": trace(runs[-1])}


def _time_ms(runtime: Runtime, session: onnxruntime.InferenceSession, batch: Batch) -> float:
    start = time.perf_counter()
    runtime._run(session, batch)
    return (time.perf_counter() - start) * 1000


def _by_call(events: list[dict]) -> list[list[dict]]:
    """Return the events of each call: its nodes, and the "model_run" that follows them."""
    runs: list[list[dict]] = [[]]
    for event in events:
        runs[-1].append(event)
        if event["name"] == "model_run":
            runs.append([])
    return runs[:-1]


def operators(runs: list[list[dict]]) -> list[dict]:
    """Return an operator per node of the graph as it ran, in the order of the last call; "ms" is the median over the calls.

    ``runs`` has the events of each call. ONNX Runtime counts whole microseconds, and describes a node before it stops the clock. What that
    takes is the time of the fastest node, such as a Shape or a Reshape, which do next to nothing: every node is relieved of it.
    """
    durations = defaultdict(list)
    for node in (event for run in runs for event in run if _is_node(event)):
        durations[node["args"]["node_index"]].append(node["dur"])
    medians = {index: float(np.median(microseconds)) for index, microseconds in durations.items()}
    recording = min(medians.values())
    return [_describe(node, medians[node["args"]["node_index"]] - recording) for node in runs[-1] if _is_node(node)]


def _is_node(event: dict) -> bool:
    return event["name"].endswith(ENDING)


def _describe(event: dict, microseconds: float) -> dict:
    facts = event["args"]
    inputs = [pair for described in facts.get("input_type_shape", []) for pair in described.items()]
    return {
        "name": facts["op_name"],
        "node": event["name"].removesuffix(ENDING),
        "ms": microseconds / 1000,
        "shapes": [shape for _, shape in inputs],
        "formats": [name for name, _ in inputs],
        "bytes": int(facts.get("output_size", 0)),
    }


def _peak_mb(first: list[dict]) -> float | None:
    """Return what the tensors of the first call held at most at once, in MB of 10⁶ bytes; None where ONNX Runtime does not tell.

    Later calls of one shape get their memory as one block, planned by the first.
    """
    held = [int(event["args"]["mem_bytes_in_use"]) for event in first if "mem_bytes_in_use" in event["args"]]
    return (max(held) - min(held)) / 1e6 if held else None


def trace(call: list[dict]) -> list[dict]:
    """Return the events of a call as chrome://tracing reads them."""
    return [event for event in call if event.get("ph") == "X" and (_is_node(event) or event["name"] == "model_run")]
