"""What an artifact's files hold: bytes, parameters, zeros; read without torch."""

from pathlib import Path

import numpy as np

WEIGHT_FILES = ("model.safetensors", "model.onnx", "model.onnx_data")


def size_mb(artifact: Path) -> float:
    """Return the size of the weights and the graph on disk, in MB of 10⁶ bytes; tokenizer and config do not count."""
    return sum((artifact / name).stat().st_size for name in WEIGHT_FILES if (artifact / name).exists()) / 1e6


def weights(artifact: Path) -> dict[str, int]:
    """Return how many parameters an artifact has, and how many of them are exactly zero."""
    read = _graph_arrays if (artifact / "model.onnx").exists() else _model_arrays
    parameters = zeros = 0
    for values in read(artifact):
        parameters += values.size
        zeros += values.size - int(np.count_nonzero(values))
    return {"parameters": parameters, "zeros": zeros}


def _model_arrays(artifact: Path):
    from safetensors.numpy import load_file

    yield from load_file(artifact / "model.safetensors").values()


def _graph_arrays(artifact: Path):
    """Yield the parameters among a graph's constants.

    Those are the floating-point ones with a dimension and the quantized ones; shapes, positions, masks, scales and
    zero points are no parameters.
    """
    import onnx
    from onnx import numpy_helper

    for tensor in onnx.load(artifact / "model.onnx").graph.initializer:
        values = numpy_helper.to_array(tensor)
        quantized = tensor.name.endswith("_quantized")
        helper = tensor.name.endswith(("_scale", "_zero_point"))
        if quantized or (values.ndim and not helper and np.issubdtype(values.dtype, np.floating)):
            yield values
