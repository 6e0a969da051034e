"""Where a call spends its time in OpenVINO, by the counters of its nodes."""

import time

import numpy as np
import openvino

from encoder_compression.runtimes.openvino_runtime import FORMATS, Runtime, _infer
from encoder_compression.runtimes.workload import Batch


def profile(runtime: Runtime, batch: Batch, *, warmup: int, calls: int) -> dict:
    """Run a batch in a graph with counters, compiled for it alone; returns what `operators` says, and each call's "profiled_ms".

    Counters are means over calls, so a call that was interrupted is in them: they are brought to the median call by its ratio to the
    mean one. The trace has the nodes one after another, as counters know no beginning.
    """
    size, length = batch["input_ids"].shape
    padded = int(runtime._padded(length)) if size == 1 else length
    is_fixed = size == 1 and padded in runtime.of_length
    compiled = runtime._compile(runtime._fixed(padded) if is_fixed else runtime.model, PERF_COUNT=True)
    request, inputs = compiled.create_infer_request(), runtime._inputs(batch, padded)
    for _ in range(warmup):
        _time_ms(request, inputs)
    before = _milliseconds(request)
    profiled_ms = [_time_ms(request, inputs) for _ in range(calls)]
    scale = np.median(profiled_ms) / np.mean(profiled_ms)
    means = {name: scale * _mean_since(before.get(name, 0.0), warmup, ms, calls) for name, ms in _milliseconds(request).items()}
    described = operators(means, compiled.get_runtime_model())
    return {"profiled_ms": profiled_ms, "operators": described, "allocated_peak_mb": None, "trace": trace(described)}


def _time_ms(request: openvino.InferRequest, inputs: Batch) -> float:
    start = time.perf_counter()
    _infer(request, inputs)
    return (time.perf_counter() - start) * 1000


def _milliseconds(request: openvino.InferRequest) -> dict[str, float]:
    """Return the counters of the nodes that ran: milliseconds, the mean over all calls so far, in whole microseconds."""
    executed = openvino.ProfilingInfo.Status.EXECUTED
    return {node.node_name: node.real_time.total_seconds() * 1000 for node in request.profiling_info if node.status == executed}


def _mean_since(mean_before: float, calls_before: int, mean: float, calls: int) -> float:
    """Return the mean of the last calls from that of those before and that of all."""
    return max(0.0, (mean * (calls_before + calls) - mean_before * calls_before) / calls)


def operators(milliseconds: dict[str, float], graph: openvino.Model) -> list[dict]:
    """Return an operator per node of the graph as it ran, in the order of execution; one of no whole microsecond has none."""
    facts = {node: {key: value.astype(str) for key, value in node.get_rt_info().items()} for node in graph.get_ordered_ops()}
    ran = [node for node in facts if node.get_friendly_name() in milliseconds or _computes(facts[node])]
    ran.sort(key=lambda node: int(facts[node]["execOrder"]))
    return [_describe(node, facts[node], milliseconds.get(node.get_friendly_name(), 0.0)) for node in ran]


def _computes(facts: dict[str, str]) -> bool:
    """Say whether a node has a kernel: inputs, constants and views have none."""
    return not facts["primitiveType"].startswith(("unknown", "undef"))


def _describe(node: openvino.Node, facts: dict[str, str], milliseconds: float) -> dict:
    precision = facts["runtimePrecision"]
    return {
        "name": facts["layerType"],
        "node": facts["originalLayersNames"],
        "ms": float(milliseconds),
        "shapes": [shape for shape in map(_shape, node.inputs()) if shape != [0]],
        "formats": [FORMATS.get(precision, precision)],
        "bytes": None,
    }


def _shape(port: openvino.Input) -> list[int | str]:
    return [dimension.get_length() if dimension.is_static else "?" for dimension in port.get_partial_shape()]


def trace(described: list[dict]) -> list[dict]:
    """Return the operators one after another, with their mean times, as chrome://tracing reads them."""
    starts = np.cumsum([0.0, *(operator["ms"] * 1000 for operator in described)])
    return [
        {"ph": "X", "cat": "Node", "name": operator["node"], "ts": float(start), "dur": operator["ms"] * 1000, "pid": 0, "tid": 0}
        | {"args": {"type": operator["name"], "shapes": str(operator["shapes"])}}
        for operator, start in zip(described, starts[:-1], strict=True)
    ]
