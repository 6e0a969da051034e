"""Devices and options with which tests measure, and artifacts that they measure."""

from pathlib import Path

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph
from encoder_compression.techniques.quantize import quantize

PYTORCH = {"runtime": "pytorch", "hardware": "cpu", "threads": 1, "precision": "float32"}


ONNX = PYTORCH | {"runtime": "onnxruntime"}


OPTIONS = {
    "launches": 2,
    "rounds": 4,
    "calls": 40,
    "precision": 0.02,
    "seconds": 0,
    "warmup_calls": 3,
    "throughput": {"batch_sizes": [2, 4], "examples": 8},
    "grid": {"batch_sizes": [1, 3], "lengths": [8, 16, 384], "calls": 2},
}


def write_forms(folder: Path, encoder: Path, dataset: Path, options: dict) -> Path:
    """Write a random classifier as model/, as graph onnx/ and as dynamic INT8 int8/, which scales activations by the whole batch."""
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    onnx_graph.export(model=folder / "model", options=options["export"], output=folder / "onnx")
    int8 = options["quantize"]["int8"] | {"metric": "accuracy"}
    quantize(parent=folder / "onnx", dataset=dataset, options=int8, output=folder / "int8", name="test")
    return folder
