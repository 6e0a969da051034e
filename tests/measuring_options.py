"""Devices and options with which tests measure."""

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
