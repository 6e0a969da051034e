"""What the constants of a graph in OpenVINO's form are: weights, 8-bit codes with their scales, or something else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino

ON_THE_WAY = ("Convert", "Multiply")  # between a table of 8-bit codes and its look-up


def stored(artifact: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, number format, array) of all constants of an artifact's graph."""
    yield from ((node.get_friendly_name(), str(node.data.dtype), node.data) for node in _constants(artifact))


def arrays(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the parameters; the name of a table of embeddings begins with "embedding".

    Those are the 8-bit codes, for which zero stands for 0.0, and the floating-point constants that are no scale and not one
    number alone. Whatever is added or multiplied is a vector, however many dimensions of one it has.
    """
    for node in _constants(artifact):
        values, reader = node.data, _reader(node)
        if values.dtype != np.int8 and (not np.issubdtype(values.dtype, np.floating) or values.size == 1 or _is_scale(node)):
            continue
        name = f"embedding {node.get_friendly_name()}" if reader == "Gather" else node.get_friendly_name()
        yield name, values if reader in ("Gather", "MatMul") else values.reshape(-1)


def is_scaled(node: openvino.Node) -> bool:
    """Say whether a node is 8-bit weights times their scales."""
    if node.get_type_name() != "Multiply":
        return False
    convert = node.input_value(0).get_node()
    return convert.get_type_name() == "Convert" and convert.input_value(0).get_element_type() == openvino.Type.i8


def is_quantized(product: openvino.Node) -> bool:
    """Say whether a matrix product has 8-bit weights."""
    return any(is_scaled(value.get_node()) for value in product.input_values())


def _constants(artifact: Path) -> Iterator[openvino.Node]:
    graph = openvino.Core().read_model(Path(artifact) / "openvino_model.xml")  # nodes know their neighbours only while it lives
    yield from (node for node in graph.get_ops() if node.get_type_name() == "Constant")


def _targets(node: openvino.Node) -> list[openvino.Node]:
    return [target.get_node() for target in node.output(0).get_target_inputs()]


def _reader(node: openvino.Node) -> str:
    """Return the type of the operator that reads a constant, behind what only scales it."""
    target = _targets(node)[0]
    while target.get_type_name() in ON_THE_WAY and node.get_element_type() == openvino.Type.i8:
        target = _targets(target)[0]
    return target.get_type_name()


def _is_scale(node: openvino.Node) -> bool:
    """Say whether a constant scales codes, one number per row of a matrix, or activations, as SmoothQuant does."""
    shape = list(node.get_output_shape(0))
    return (len(shape) == 2 and shape[1] == 1) or any("nncf_smooth_quant" in target.get_friendly_name() for target in _targets(node))
