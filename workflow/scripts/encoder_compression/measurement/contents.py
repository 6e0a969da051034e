"""What an artifact's files hold: bytes, parameters, zeros; read without torch."""

from pathlib import Path

import numpy as np

WEIGHT_FILES = ("model.safetensors", "model.onnx", "model.onnx_data")


def size_mb(artifact: Path) -> float:
    """Return the size of the weights and the graph on disk, in MB of 10⁶ bytes; tokenizer and config do not count."""
    return sum((artifact / name).stat().st_size for name in WEIGHT_FILES if (artifact / name).exists()) / 1e6


def weights(artifact: Path) -> dict[str, int]:
    """Return how many parameters an artifact has, and how many of them are exactly zero."""
    parameters = zeros = 0
    for values in _arrays(artifact):
        parameters += values.size
        zeros += values.size - int(np.count_nonzero(values))
    return {"parameters": parameters, "zeros": zeros}


def zeros_in_matrices(artifact: Path) -> int:
    """Return how many elements of the weight matrices are exactly zero.

    Only matrices can be compared between a model and its graph: an exporter merges equal vectors, such as fresh biases.
    """
    return sum(values.size - int(np.count_nonzero(values)) for values in _arrays(artifact) if values.ndim == 2)


def _arrays(artifact: Path):
    return _graph_arrays(artifact) if (artifact / "model.onnx").exists() else _model_arrays(artifact)


def _model_arrays(artifact: Path):
    from safetensors.numpy import load_file

    yield from load_file(artifact / "model.safetensors").values()


def _graph_arrays(artifact: Path):
    """Yield the parameters among a graph's constants.

    Those are the floating-point ones with a dimension and the quantized ones, relative to their zero points; shapes,
    positions, masks and scales are no parameters.
    """
    import onnx
    from onnx import numpy_helper

    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(artifact / "model.onnx").graph.initializer}
    for name, values in arrays.items():
        if name.endswith("_quantized"):
            yield _without_zero_point(values, arrays[name.removesuffix("_quantized") + "_zero_point"])
        elif values.ndim and not name.endswith(("_scale", "_zero_point")) and np.issubdtype(values.dtype, np.floating):
            yield values


def _without_zero_point(values: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return quantized values minus the integer that stands for 0.0, one for all or one per channel of either axis."""
    if zero_point.size not in (1, values.shape[-1]):
        zero_point = zero_point.reshape(-1, *[1] * (values.ndim - 1))
    return values.astype(np.int16) - zero_point.astype(np.int16)
