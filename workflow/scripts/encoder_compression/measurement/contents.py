"""What an artifact's files hold: bytes, parameters, zeros, number formats; read without torch."""

from collections import Counter
from pathlib import Path

import numpy as np

from encoder_compression import compressed

NO_PARAMETERS = ("_scale", "_scales", "_zero_point", "_equalizer")  # names of what only says how to read or scale others
WEIGHT_FILES = ("model.safetensors", "model.onnx", "model.onnx_data")


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

        graph = onnx.load(artifact / "model.onnx").graph
        packed = {node.input[1]: node for node in graph.node if node.op_type == "MatMulNBits"}
        for tensor in graph.initializer:
            values = numpy_helper.to_array(tensor)
            if tensor.name in packed:
                sizes = {attribute.name: attribute.i for attribute in packed[tensor.name].attribute}
                yield f"{tensor.name}_quantized", _unpacked(values, inputs=sizes["K"], bits=sizes["bits"])
            else:
                yield tensor.name, values
    else:
        from safetensors.numpy import load_file

        yield from load_file(artifact / "model.safetensors").items()


def _arrays(artifact: Path):
    """Yield (name, array) of the parameters, quantized ones relative to their zero points.

    Of a graph's constants those are the floating-point ones with a dimension and the quantized ones; shapes,
    positions, masks and scales are no parameters.
    """
    arrays = dict(_stored(artifact))
    if not (artifact / "model.onnx").exists():
        yield from arrays.items()
        return
    for name, values in arrays.items():
        if name.endswith("_quantized"):
            zero_point = arrays.get(name.removesuffix("_quantized") + "_zero_point", np.zeros(1, dtype=np.int8))
            yield name, _without_zero_point(values, zero_point)
        elif values.ndim and not name.endswith(NO_PARAMETERS) and np.issubdtype(values.dtype, np.floating):
            yield name, values


def _unpacked(values: np.ndarray, *, inputs: int, bits: int) -> np.ndarray:
    """Return the integers [outputs, inputs] that a MatMulNBits stores as bytes [outputs, blocks, bytes], padded to whole blocks."""
    import ml_dtypes

    rows = values.reshape(len(values), -1)
    if bits == 4:  # the lower half of a byte comes first
        rows = np.stack([rows & 15, rows >> 4], axis=-1).reshape(len(values), -1)
    return (rows[:, :inputs].astype(np.int16) - 2 ** (bits - 1)).astype(ml_dtypes.int4 if bits == 4 else np.int8)


def _without_zero_point(values: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return quantized values minus the integer that stands for 0.0, one for all or one per channel of either axis."""
    if zero_point.size not in (1, values.shape[-1]):
        zero_point = zero_point.reshape(-1, *[1] * (values.ndim - 1))
    return values.astype(np.int16) - zero_point.astype(np.int16)
