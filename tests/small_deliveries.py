"""Deliveries of random models, without certificate: what predict.py and server.py need, and the predictions of the measurement."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch

from encoder_compression.contract import delivered_folder, delivered_settings
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement.measure import measure
from encoder_compression.techniques.quantize import quantize
from measuring_options import ONNX, OPTIONS, PYTORCH

OPENVINO = PYTORCH | {"runtime": "openvino"}
EXPORT = {"opset": 18, "tolerance": 1e-4}
SHORT = OPTIONS | {"launches": 1, "rounds": 1, "calls": 1, "grid": {"batch_sizes": [], "lengths": [], "calls": 1}}
OFFLINE = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
WORKFLOW = ("encoder_compression", "transformers", "torch", "pandas", "pyarrow", "datasets", "openvino_telemetry")


def random_model(folder: Path, encoder: Path, *, auto_class: str = "AutoModelForSequenceClassification", head: dict) -> Path:
    """Write a model of random weights, so large that its predictions differ, and its graph."""
    torch.manual_seed(0)
    model = pretrained.add_head(encoder, auto_class, head)
    for parameter in (each for each in model.parameters() if each.ndim == 2):
        torch.nn.init.normal_(parameter, std=0.3)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    onnx_graph.export(model=folder / "model", options=EXPORT, output=folder / "onnx")
    return folder


def quantized(folder: Path, dataset: Path, options: dict) -> Path:
    """Write the graph in dynamic INT8 to ``folder/int8``."""
    quantize(parent=folder / "onnx", dataset=dataset, options=options | {"metric": "accuracy"}, output=folder / "int8", name="test")
    return folder / "int8"


def converted(folder: Path) -> Path:
    """Write the graph in OpenVINO's form to ``folder/openvino``."""
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=EXPORT, output=folder / "openvino")
    return folder / "openvino"


def deliver(folder: Path, artifact: Path, dataset: Path, *, device: dict = ONNX, **options) -> tuple[Path, pd.DataFrame]:
    """Measure an artifact on the test split and write its delivery; return that and the predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"measurement": folder / "measurement.json", "predictions": folder / "predictions.parquet"}
    row = {"artifact": artifact, "device": device, "partner": None, "dataset": dataset, "timed_as": None}
    measure(**row, options=SHORT | {"metric": "accuracy"} | options, name="test", **files)
    measurement = json.loads(files["measurement"].read_text(encoding="utf-8"))
    named = {"variant": "teacher", "seed": 1, "artifact": str(artifact), "dataset": str(dataset), "results": str(folder)}
    described = {"name": "somewhere", "options": device}
    settings = delivered_settings.of_row(named, experiment="mine", device=described, measurement=measurement, batch_size=4)
    delivered_folder.write(folder / "delivery", row=named, settings=settings)
    return folder / "delivery", pd.read_parquet(files["predictions"])


def predict(delivery: Path, inputs: list, missing: tuple[str, ...] = WORKFLOW) -> list[dict]:
    """Return what predict.py answers in a process that lacks the ``missing`` packages, as the environment of a user may."""
    code = (
        f"import json, sys\nsys.modules.update(dict.fromkeys({missing}))\nfrom predict import Predictor\n"
        "print(json.dumps(Predictor('.')(json.load(sys.stdin))))"
    )
    done = run(delivery, "-c", code, stdin=json.dumps(inputs))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(delivery: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
    """Run Python in the folder of a delivery."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=delivery, env=os.environ | OFFLINE, input=stdin, capture_output=True, encoding="utf-8")
