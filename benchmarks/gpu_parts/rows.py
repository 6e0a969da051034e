"""Rows as a study measures them, each in worker processes: predictions against the CPU's, memory by the allocator, milliseconds."""

import importlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
from pyarrow import parquet

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph
from encoder_compression.measurement.measure import measure
from encoder_compression.runtimes.onnxruntime_runtime import PROVIDERS
from encoder_compression.runtimes.workload import Workload
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal
from gpu_parts.check import Check
from gpu_parts.children import MissingPackage
from gpu_parts.sizes import LEAST_AGREEMENT, LOGIT_TOLERANCES
from gpu_parts.training import LIMIT

ROUNDS = {"launches": 1, "rounds": 2, "seconds": 0, "batch_size": 16, "grid": {"batch_sizes": [], "lengths": [], "calls": 1}}
EXPORT = {"opset": 18, "tolerance": 1e-4}
PYTORCH = {"runtime": "pytorch", "threads": 1, "precision": "float32"}
ON_CPU = "cpu-pytorch"


def make_measured(check: Check) -> dict:
    """Give the encoder of the measured model a random head, and measure it on the CPU in float32."""
    check.run(_add_head, limit=LIMIT, hardware="cpu", encoder=check.measured_encoder, dataset=check.dataset, model=measured_model(check))
    return {ON_CPU: measure_row(check, measured_model(check), PYTORCH | {"hardware": "cpu"}, ON_CPU)}


def _add_head(*, encoder: Path, dataset: Path, model: Path) -> dict:
    network = new_model(encoder, Goal(dataset=dataset, metric="accuracy", seed=3, name="measured"))
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), model)
    return {}


def measured_model(check: Check) -> Path:
    """Return the model whose time and memory rows measure: with random weights."""
    return check.folder / "measured" / "model"


def trained_model(check: Check) -> Path:
    """Return the model whose predictions rows compare: of two layers, trained on the CPU."""
    return check.reference / "model"


def measure_row(check: Check, artifact: Path, device: dict, name: str) -> dict:
    """Measure an artifact on a device by the function that measures a study; return what the row says, briefly."""
    folder = check.folder / "rows" / name.replace(" ", "_")
    folder.mkdir(parents=True)
    given = {"artifact": artifact, "device": device, "dataset": check.dataset, "options": check.size.measuring}
    check.run(_measure, limit=2 * LIMIT, folder=folder, **given)
    row = json.loads((folder / "measurement.json").read_text(encoding="utf-8"))
    latencies = [ms for launch in row["launches"] for turn in launch["rounds"] for ms in turn["latencies_ms"]]
    kept = ("ran_on", "library", "memory_load_mb", "memory_run_mb", "size_mb", "parameters", "dtypes", "proof")
    return {name: row[name] for name in kept} | {
        "latency_p50_ms": float(np.median(latencies)),
        "milliseconds_per_example": {
            str(batches["batch_size"]): 1000 * batches["seconds"] / batches["examples"] for batches in row["throughput"]
        },
        "compile_seconds": row.get("compile_seconds"),
    }


def _measure(*, artifact: Path, device: dict, dataset: Path, options: dict, folder: Path) -> dict:
    files = {"measurement": folder / "measurement.json", "predictions": folder / "predictions.parquet"}
    alone = {"partner": None, "timed_as": None}
    return measure(artifact=artifact, device=device, dataset=dataset, options=ROUNDS | options, name="row", **alone, **files)


def compare_row(check: Check, measured: Path, trained: Path, device: dict, name: str, *, form: str) -> dict:
    """Measure a row, and compare logits on the test split with those of the CPU in float32: of the measured model and of the trained one.

    ``form`` says in which numbers it computes; where no tolerance is stated for it, predictions of the trained model must agree.
    """
    row = measure_row(check, measured, device, name)
    untrained = _compare(read_logits(check, ON_CPU), read_logits(check, name))
    expected, answers = _answers(check, trained_model(check), PYTORCH | {"hardware": "cpu"}), _answers(check, trained, device)
    compared = _compare(expected, answers)
    holds = {f"every node ran on {device['hardware']}": all(_is_on(place, device["hardware"]) for place in row["proof"]["nodes"])}
    if form in LOGIT_TOLERANCES:
        differences = (untrained["logits_differ_by"], compared["logits_differ_by"])
        holds["logits differ by at most the tolerance"] = max(differences) <= LOGIT_TOLERANCES[form]
    else:
        holds["predictions agree as often as they must"] = compared["agreement"] >= LEAST_AGREEMENT
    if device["hardware"] == "cuda" and device["runtime"] == "pytorch":
        holds["the allocator held the weights"] = row["memory_load_mb"] >= _least_mb(row, device)
    return row | {"untrained": untrained, "trained": compared, "tolerance": LOGIT_TOLERANCES.get(form), "holds": holds}


def _is_on(place: str, hardware: str) -> bool:
    """Say whether a place that a runtime names, such as "CUDAExecutionProvider", is the hardware."""
    return place.lower().startswith(hardware)


def _compare(expected: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Compare logits [examples, classes] with those that the CPU gives in float32."""
    largest = float(np.abs(expected).max())
    return {
        "agreement": float((logits.argmax(1) == expected.argmax(1)).mean()),
        "logits_differ_by": float(np.abs(logits - expected).max()) / max(1, largest),
        "largest_logit_of_cpu": largest,
    }


def _answers(check: Check, artifact: Path, device: dict) -> np.ndarray:
    """Return an artifact's logits [examples, classes] on the test split, without measuring it."""
    hardware = device["hardware"]
    return np.array(check.run(_answer, limit=LIMIT, hardware=hardware, artifact=artifact, device=device, dataset=check.dataset)["logits"])


def _answer(*, artifact: Path, device: dict, dataset: Path) -> dict:
    runtime = importlib.import_module(f"encoder_compression.runtimes.{device['runtime']}_runtime").Runtime(artifact, device=device)
    workload = Workload(dataset, "test")
    return {"logits": [runtime(workload.single(index))[0].tolist() for index in range(len(workload))]}


def _least_mb(row: dict, device: dict) -> float:
    """Return the MB that the weights take on the device: floating-point ones in its precision, all others as they are stored."""
    width = {"float32": 4, "float16": 2, "bfloat16": 2}[device["precision"]]
    floats = sum(count for dtype, count in row["dtypes"].items() if dtype in LOGIT_TOLERANCES)
    return min(row["size_mb"], floats * width / 1e6)


def read_logits(check: Check, name: str) -> np.ndarray:
    """Return the logits [examples, classes] of a row that was measured."""
    file = check.folder / "rows" / name.replace(" ", "_") / "predictions.parquet"
    return np.stack(parquet.read_table(file)["logits"].to_pylist())


def measure_precision(check: Check, name: str) -> dict:
    """Measure a row of PyTorch on the hardware that is checked."""
    device = PYTORCH | {"hardware": check.hardware} | check.size.rows[name]
    return compare_row(check, measured_model(check), trained_model(check), device, name, form=device["precision"])


def measure_onnxruntime(check: Check) -> dict:
    """Export both models and measure the graph in ONNX Runtime on the hardware that is checked, without a fallback."""
    if PROVIDERS[check.hardware] not in onnxruntime.get_available_providers():
        raise MissingPackage("onnxruntime-gpu")
    graphs = {}
    for name, model in (("measured", measured_model(check)), ("trained", trained_model(check))):
        graphs[name] = check.folder / "graphs" / name
        check.run(onnx_graph.export, limit=LIMIT, hardware="cpu", model=model, options=EXPORT, output=graphs[name])
    device = {"runtime": "onnxruntime", "hardware": check.hardware, "threads": 1, "precision": "float32"}
    return compare_row(check, **graphs, device=device, name="onnxruntime", form="float32")
