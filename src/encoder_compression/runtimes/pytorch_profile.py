"""Where a call spends its time in PyTorch, by torch.profiler: the operators that the model's code calls, with all that they call."""

import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, record_function

from encoder_compression.runtimes.pytorch_runtime import Runtime
from encoder_compression.runtimes.workload import Batch

CALL = "one call"  # the ranges that this module draws around calls and modules
MODULE = "module "
CONTAINERS = ("Torch-Compiled Region", "## Call CompiledFxGraph", "CompiledFxGraph", "CompiledFunction")  # looked into, not counted
ON_CARD = ("kernel", "gpu_memcpy", "gpu_memset")


def profile(runtime: Runtime, batch: Batch, *, warmup: int, calls: int) -> dict:
    """Run a batch under the profiler; returns its operators and each call's "profiled_ms".

    The timed calls record nothing but names and times. One more call tells shapes, memory and modules, which would cost time in each.
    """
    events, profiled_ms = _record(runtime, batch, warmup=warmup, calls=calls, detailed=False)
    details, _ = _record(runtime, batch, warmup=warmup, calls=1, detailed=True)
    timed, (detailed,) = _by_call(events)[warmup:], _by_call(details)[warmup:]
    described = operators(timed, detailed, on_card=runtime.hardware == "cuda")
    peak = {"allocated_peak_mb": _peak_mb(detailed)}
    return {"profiled_ms": profiled_ms, "operators": described, "trace": detailed} | peak | _on_card(timed)


def _record(runtime: Runtime, batch: Batch, *, warmup: int, calls: int, detailed: bool) -> tuple[list[dict], list[float]]:
    """Return the events of all calls and the milliseconds of those after the warm-up."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if runtime.hardware == "cuda" else [])]
    milliseconds = []
    with ExitStack() as stack:
        if detailed and not runtime.is_compiled:  # a hook would make another program
            stack.enter_context(_named_modules(runtime.model))
        recording = stack.enter_context(torch.profiler.profile(activities=activities, record_shapes=detailed, profile_memory=detailed))
        for _ in range(warmup + calls):
            with record_function(CALL):
                start = time.perf_counter()
                runtime(batch)
                milliseconds.append((time.perf_counter() - start) * 1000)
    return _exported(recording), milliseconds[warmup:]


def _exported(recording: torch.profiler.profile) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile.json"
        recording.export_chrome_trace(str(file))
        return json.loads(file.read_text(encoding="utf-8"))["traceEvents"]


@contextmanager
def _named_modules(model: torch.nn.Module) -> Iterator[None]:
    """Draw a range with its name around each call of a module."""
    ranges: list[record_function] = []

    def enter(name: str):
        ranges.append(record_function(f"{MODULE}{name}"))
        ranges[-1].__enter__()

    hooks = [module.register_forward_pre_hook(lambda _, __, name=name: enter(name)) for name, module in model.named_modules() if name]
    hooks += [
        module.register_forward_hook(lambda *_: ranges.pop().__exit__(None, None, None)) for name, module in model.named_modules() if name
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _by_call(events: list[dict]) -> list[list[dict]]:
    """Return the events of each call, sorted so that what is around others comes before them; a card's are those of its operators."""
    timed = sorted((event for event in events if "cat" in event), key=lambda event: (event["ts"], -event.get("dur", 0)))
    of_processor = [event for event in timed if event["cat"] not in ON_CARD]
    ranges = [event for event in of_processor if (event["name"], event["cat"]) == (CALL, "user_annotation")]
    calls = [[event for event in of_processor if _is_within(event, call) and event is not call] for call in ranges]
    call_of = {_number(event): call for call in calls for event in call if event["cat"] == "cpu_op"}
    for event in timed:
        if event["cat"] in ON_CARD and _number(event) in call_of:
            call_of[_number(event)].append(event)
    return calls


def _is_within(event: dict, outer: dict) -> bool:
    return outer["ts"] <= event["ts"] <= outer["ts"] + outer["dur"]


def _number(event: dict) -> int | None:
    """Return the number of an operator, or of the one that started an event on a card."""
    return event["args"].get("External id")


def operators(timed: list[list[dict]], detailed: list[dict], *, on_card: bool) -> list[dict]:
    """Return an operator per call of one by the model's code, in order, with all that it calls itself; "ms" is the median over calls.

    ``timed`` has the events of each call, ``detailed`` those of one that knows shapes and modules. "events" is how many further events were
    recorded within the operator. On a card "ms" is the time of the kernels and copies that the operator started.
    """
    calls = [_outermost(call) for call in timed]
    usual = Counter(map(len, calls)).most_common(1)[0][0]
    calls = [call for call in calls if len(call) == usual]
    described = _outermost(detailed)
    if len(described) != usual:
        described = calls[-1]  # without shapes and modules
    durations = np.array([[_milliseconds(operator, on_card) for operator in call] for call in calls])
    columns = zip(described, calls[-1], np.median(durations, axis=0), strict=True)
    return [_describe(detail, operator, float(milliseconds)) for detail, operator, milliseconds in columns]


def _outermost(call: list[dict]) -> list[dict]:
    """Return the outermost operators of a call, each with the events "within" it, its "module", and those that it started "on_card"."""
    outermost: list[dict] = []
    modules: list[dict] = []
    for event in call:
        if event["name"].startswith(MODULE):
            modules = [module for module in modules if _is_within(event, module)] + [event]
        elif outermost and _is_within(event, outermost[-1]["event"]):
            outermost[-1]["within"].append(event)
        elif event["cat"] == "cpu_op" and not event["name"].startswith(CONTAINERS):
            around = [module["name"].removeprefix(MODULE) for module in modules if _is_within(event, module)]
            outermost.append({"event": event, "within": [], "module": around[-1] if around else ""})
    started = defaultdict(list)
    for event in (event for event in call if event["cat"] in ON_CARD):
        started[_number(event)].append(event)
    return [operator | {"on_card": [event for number in _numbers(operator) for event in started[number]]} for operator in outermost]


def _numbers(operator: dict) -> set[int | None]:
    return {_number(event) for event in (operator["event"], *operator["within"]) if event["cat"] == "cpu_op"}


def _milliseconds(operator: dict, on_card: bool) -> float:
    return sum(event["dur"] for event in (operator["on_card"] if on_card else [operator["event"]])) / 1000


def _describe(detail: dict, operator: dict, milliseconds: float) -> dict:
    inputs = detail["event"].get("args", {})
    pairs = [
        (dims, name)
        for dims, name in zip(inputs.get("Input Dims", []), inputs.get("Input type", []), strict=True)
        if isinstance(dims, list) and dims and not isinstance(dims[0], list)
    ]
    weights = ["int8"] if detail["event"]["name"].startswith("quantized::") else []  # packed, so that the profile knows no format
    memory = [event["args"]["Bytes"] for event in detail["within"] if event["name"] == "[memory]"]
    return {
        "name": detail["event"]["name"],
        "node": detail["module"],
        "place": detail["module"],
        "ms": milliseconds,
        "shapes": [dims for dims, _ in pairs],
        "formats": [name for _, name in pairs] + weights,
        "bytes": sum(size for size in memory if size > 0),
        "events": sum(event["cat"] == "cpu_op" for event in operator["within"]),
    }


def _peak_mb(call: list[dict]) -> float:
    """Return what a call's tensors held at most at once, in MB of 10⁶ bytes."""
    sizes = [event["args"]["Bytes"] for event in call if event["name"] == "[memory]"]
    return float(np.cumsum([0, *sizes]).max()) / 1e6


def _on_card(timed: list[list[dict]]) -> dict:
    """Return per call how many kernels and copies a card ran, and how often the processor launched one; nothing without a card."""
    counts = Counter(event["cat"] for call in timed for event in call)
    launches = sum("LaunchKernel" in event["name"] for call in timed for event in call if event["cat"] == "cuda_runtime")
    if not counts["kernel"]:
        return {}
    per_call = {"kernels": counts["kernel"], "copies": counts["gpu_memcpy"], "launches": launches}
    return {"on_card": {name: count / len(timed) for name, count in per_call.items()}}
