"""Rows as a study measures them, each in worker processes: predictions against the CPU's, memory by the allocator, milliseconds."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from pyarrow import parquet

from encoder_compression.export import onnx_graph
from encoder_compression.measurement.measure import measure
from encoder_compression.runtimes.onnxruntime_runtime import PROVIDERS
from gpu_parts.check import Check
from gpu_parts.children import MissingPackage
from gpu_parts.sizes import LEAST_AGREEMENT, LOGIT_TOLERANCES
from gpu_parts.training import LIMIT, finetune_exactly

ROUNDS = {"launches": 1, "rounds": 2, "seconds": 0, "batch_size": 16, "grid": {"batch_sizes": [], "lengths": [], "calls": 1}}
EXPORT = {"opset": 18, "tolerance": 1e-4}
PYTORCH = {"runtime": "pytorch", "threads": 1, "precision": "float32"}
ON_CPU = "cpu-pytorch"


def train_measured(check: Check) -> dict:
    """Train the model that rows measure, of the size that is timed, and measure it on the CPU in float32."""
    call = check.call("measured", precision="auto") | {"encoder": str(check.timed_encoder)}
    call["options"] = {"training": call["options"]["training"] | {"learning_rate": 1e-4}}
    (check.folder / "measured").mkdir()
    facts = check.run(finetune_exactly, limit=2 * LIMIT, **call)
    row = measure_row(check, measured_model(check), PYTORCH | {"hardware": "cpu"}, ON_CPU)
    return {"validation_score": facts["validation_score"], "steps": facts["steps"], ON_CPU: row}


def measured_model(check: Check) -> Path:
    """Return the model that rows measure."""
    return check.folder / "measured" / "model"


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
    return measure(artifact=artifact, device=device, partner=None, dataset=dataset, options=ROUNDS | options, name="row", **files)


def compare_row(check: Check, artifact: Path, device: dict, name: str, *, form: str) -> dict:
    """Measure a row and compare its predictions on test with those of the CPU in float32; ``form`` says which numbers it computes with."""
    row = measure_row(check, artifact, device, name)
    (expected, classes), (logits, predicted) = (read_predictions(check, row_name) for row_name in (ON_CPU, name))
    difference = float(np.abs(logits - expected).max() / max(1, np.abs(expected).max()))
    compared = {
        "agreement": float((predicted == classes).mean()),
        "logits_differ_by": difference,
        "largest_logit_of_cpu": float(np.abs(expected).max()),
    }
    ran = "cuda" if device["hardware"] == "cuda" else "cpu"
    elsewhere = [place for place in row["proof"]["nodes"] if not place.lower().startswith(ran)]
    holds = {f"every node ran on {ran}": not elsewhere}
    if form in LOGIT_TOLERANCES:
        compared["tolerance"] = LOGIT_TOLERANCES[form]
        holds["logits differ by at most the tolerance"] = difference <= LOGIT_TOLERANCES[form]
    else:
        holds[f"agreement is at least {LEAST_AGREEMENT}"] = compared["agreement"] >= LEAST_AGREEMENT
    if device["hardware"] == "cuda" and device["runtime"] == "pytorch":
        holds["the allocator held the weights"] = row["memory_load_mb"] >= 0.9 * _least_mb(row, device)
    return row | compared | {"holds": holds}


def _least_mb(row: dict, device: dict) -> float:
    """Return the MB that the weights take: floating-point ones in the device's precision, all others as they are stored."""
    bytes_of = {"float32": 4, "float16": 2, "bfloat16": 2}[device["precision"]]
    floats = sum(count for dtype, count in row["dtypes"].items() if "float" in dtype)
    return min(row["size_mb"], floats * bytes_of / 1e6)


def read_predictions(check: Check, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits [examples, classes] and the predicted classes [examples] of a row."""
    table = parquet.read_table(check.folder / "rows" / name.replace(" ", "_") / "predictions.parquet")
    return np.stack(table["logits"].to_pylist()), table["prediction"].to_numpy()


def measure_precision(check: Check, name: str) -> dict:
    """Measure a row of PyTorch on the hardware that is checked."""
    device = PYTORCH | {"hardware": check.hardware} | check.size.rows[name]
    return compare_row(check, measured_model(check), device, name, form=device["precision"])


def measure_onnxruntime(check: Check) -> dict:
    """Export the model and measure its graph in ONNX Runtime on the hardware that is checked; its provider must have run every node."""
    if PROVIDERS[check.hardware] not in onnxruntime.get_available_providers():
        raise MissingPackage("onnxruntime-gpu")
    graph = check.folder / "measured" / "onnx"
    check.run(onnx_graph.export, limit=LIMIT, hardware="cpu", model=measured_model(check), options=EXPORT, output=graph)
    device = {"runtime": "onnxruntime", "hardware": check.hardware, "threads": 1, "precision": "float32"}
    return compare_row(check, graph, device, "onnxruntime", form="float32")
