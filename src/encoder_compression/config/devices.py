"""Which devices a machine has, asked without importing torch or onnxruntime."""

import platform
import shutil
from importlib.metadata import version

CPU = {
    "cpu-pytorch": {"runtime": "pytorch", "hardware": "cpu"},
    "cpu-onnxruntime": {"runtime": "onnxruntime", "hardware": "cpu"},
}
OPENVINO = {"cpu-openvino": {"runtime": "openvino", "hardware": "cpu"}}
CUDA = {"cuda-pytorch": {"runtime": "pytorch", "hardware": "cuda"}}


def available() -> dict:
    """Return the devices of this machine, by name: what ``devices: auto`` stands for."""
    return CPU | (OPENVINO if has_openvino() else {}) | (CUDA if has_cuda() else {})


def has_openvino() -> bool:
    """Say whether OpenVINO has kernels for this processor."""
    return platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64")


def has_cuda() -> bool:
    """Say whether there is an NVIDIA driver and a build of torch that can use it."""
    return shutil.which("nvidia-smi") is not None and not version("torch").endswith("+cpu")
