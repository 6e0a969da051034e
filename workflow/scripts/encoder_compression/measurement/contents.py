"""What an artifact's files hold: bytes, parameters, zeros, number formats; read without torch."""

from collections import Counter
from pathlib import Path

import numpy as np

from encoder_compression import compressed

WEIGHT_FILES = ("model.safetensors", "model.onnx", "model.onnx_data", "openvino_model.bin", "openvino_model.xml")


def describe(artifact: Path) -> dict:
    """Return size on disk and compressed (MB of 10⁶ bytes), parameters, zeros, and parameters by number format.

    Tokenizer and config do not count. "matrices" are the weight matrices outside the embeddings, "matrix_zeros" the
    zeros in them.
    """
    files = [artifact / name for name in WEIGHT_FILES if (artifact / name).exists()]
    counts = Counter()
    for name, values in _arrays(artifact):
        zeros = values.size - int(np.count_nonzero(values))
        counts.update(parameters=values.size, zeros=zeros)
        if values.ndim == 2 and "embedding" not in name:
            counts.update(matrices=values.size, matrix_zeros=zeros)
    return {
        "size_mb": sum(file.stat().st_size for file in files) / 1e6,
        "compressed_mb": sum(compressed.size(file) for file in files) / 1e6,
        "parameters": counts["parameters"],
        "zeros": counts["zeros"],
        "matrices": counts["matrices"],
        "matrix_zeros": counts["matrix_zeros"],
        "dtypes": _dtypes(artifact),
    }


def zeros_in_matrices(artifact: Path) -> int:
    """Return how many elements of the weight matrices are exactly zero.

    Only matrices can be compared between a model and its graph: an exporter merges equal vectors, such as fresh biases.
    """
    return sum(values.size - int(np.count_nonzero(values)) for _, values in _arrays(artifact) if values.ndim == 2)


def _dtypes(artifact: Path) -> dict[str, int]:
    """Return how many elements the file stores in each number format, scales and shapes included."""
    counts = Counter()
    for _, values in _stored(artifact):
        counts[str(values.dtype)] += values.size
    return dict(counts.most_common())


def _stored(artifact: Path):
    """Yield (name, array) of everything that the file stores."""
    if (artifact / "model.onnx").exists():
        import onnx
        from onnx import numpy_helper

        yield from ((tensor.name, numpy_helper.to_array(tensor)) for tensor in onnx.load(artifact / "model.onnx").graph.initializer)
    elif _is_openvino(artifact):
        from encoder_compression.measurement import openvino_weights

        yield from openvino_weights.stored(artifact)
    else:
        from safetensors.numpy import load_file

        yield from load_file(artifact / "model.safetensors").items()


def _arrays(artifact: Path):
    """Yield (name, array) of the parameters, quantized ones relative to their zero points.

    Of a graph's constants those are the floating-point ones with a dimension and the quantized ones; shapes,
    positions, masks and scales are no parameters.
    """
    if _is_openvino(artifact):
        from encoder_compression.measurement import openvino_weights

        yield from openvino_weights.arrays(artifact)
        return
    arrays = dict(_stored(artifact))
    if not (artifact / "model.onnx").exists():
        yield from arrays.items()
        return
    for name, values in arrays.items():
        if name.endswith("_quantized"):
            yield name, _without_zero_point(values, arrays[name.removesuffix("_quantized") + "_zero_point"])
        elif values.ndim and not name.endswith(("_scale", "_zero_point")) and np.issubdtype(values.dtype, np.floating):
            yield name, values


def _is_openvino(artifact: Path) -> bool:
    return (artifact / "openvino_model.xml").exists()


def _without_zero_point(values: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return quantized values minus the integer that stands for 0.0, one for all or one per channel of either axis."""
    if zero_point.size not in (1, values.shape[-1]):
        zero_point = zero_point.reshape(-1, *[1] * (values.ndim - 1))
    return values.astype(np.int16) - zero_point.astype(np.int16)
