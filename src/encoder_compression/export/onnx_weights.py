"""What the constants of an ONNX graph are: weights, integers with scales and zero points, or something else."""

from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper

NO_PARAMETERS = ("_scale", "_scales", "_zero_point", "_equalizer")  # names of what only says how to read or scale others


def stored(artifact: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, number format, array) of all constants; weights of few bits one by one, and not as the bytes that they are packed in."""
    yield from ((name, str(values.dtype), values) for name, values in _constants(artifact))


def _constants(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    graph = onnx.load(Path(artifact) / "model.onnx").graph
    packed = {node.input[1]: node for node in graph.node if node.op_type == "MatMulNBits"}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in packed:
            sizes = {attribute.name: attribute.i for attribute in packed[tensor.name].attribute}
            yield f"{tensor.name}_quantized", _unpacked(values, inputs=sizes["K"], bits=sizes["bits"])
        else:
            yield tensor.name, values


def arrays(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the parameters, quantized ones relative to their zero points.

    Those are the floating-point constants with a dimension and the quantized ones; shapes, positions, masks and scales are
    no parameters.
    """
    constants = dict(_constants(artifact))
    for name, values in constants.items():
        if name.endswith("_quantized"):
            zero_point = constants.get(name.removesuffix("_quantized") + "_zero_point", np.zeros(1, dtype=np.int8))
            yield name, _without_zero_point(values, zero_point)
        elif values.ndim and not name.endswith(NO_PARAMETERS) and np.issubdtype(values.dtype, np.floating):
            yield name, values


def _unpacked(values: np.ndarray, *, inputs: int, bits: int) -> np.ndarray:
    """Return the integers [outputs, inputs] that a MatMulNBits stores as bytes [outputs, blocks, bytes], padded to whole blocks."""
    rows = values.reshape(len(values), -1)
    if bits == 4:  # the lower half of a byte comes first
        rows = np.stack([rows & 15, rows >> 4], axis=-1).reshape(len(values), -1)
    return (rows[:, :inputs].astype(np.int16) - 2 ** (bits - 1)).astype(ml_dtypes.int4 if bits == 4 else np.int8)


def _without_zero_point(values: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return quantized values minus the integer that stands for 0.0, one for all or one per channel of either axis."""
    if zero_point.size not in (1, values.shape[-1]):
        zero_point = zero_point.reshape(-1, *[1] * (values.ndim - 1))
    return values.astype(np.int16) - zero_point.astype(np.int16)
