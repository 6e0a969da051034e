"""Outliers of activations and of weights moved to where the other side has room (Xiao et al. 2023; Wei et al. 2023)."""

import copy
from collections.abc import Iterable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from encoder_compression.data.sampling import spread
from encoder_compression.quantization import graph as graphs
from encoder_compression.runtimes.workload import Workload

BULK = 0.99  # share of the channels whose ranges are no outliers
FLOOR = 1e-4  # of a scale: a neuron that never fires could get any


def ranges(graph: ModelProto, workload: Workload, count: int) -> dict[str, np.ndarray]:
    """Return the largest size of each channel [channels] of every product's input, over so many examples, spread evenly."""
    graph = copy.deepcopy(graph)
    names = list(dict.fromkeys(node.input[0] for node in graphs.products(graph).values()))
    graphs.add(graph, "rows", np.array([0], dtype=np.int64))
    del graph.graph.output[:]
    for name in names:
        graph.graph.node.append(helper.make_node("Flatten", [name], [f"{name}_rows"], axis=-1))
        graph.graph.node.append(helper.make_node("Abs", [f"{name}_rows"], [f"{name}_sizes"]))
        graph.graph.node.append(helper.make_node("ReduceMax", [f"{name}_sizes", "rows"], [f"{name}_range"], keepdims=0))
        graph.graph.output.append(helper.make_tensor_value_info(f"{name}_range", TensorProto.FLOAT, None))
    running = graphs.session(graph)
    peaks = [graphs.run(running, workload.single(index)) for index in spread(count, len(workload))]
    return {name: np.max(sizes, axis=0) for name, sizes in zip(names, zip(*peaks, strict=True), strict=True)}


def scales(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return by how much each channel [channels] of an input is divided and its row of the weights multiplied.

    s = max(x / t, min(1, u / w)) for the ranges x of an activation's and w of a weight's channel, and t and u below which
    99 % of them lie. An outlier of the activations shrinks to t, as in Outlier Suppression+ (Wei et al. 2023); one
    of the weights shrinks to u as far as the activation has room below t; all others stay as they are. The square roots of
    SmoothQuant (Xiao et al. 2023, eq. 4) change every channel, and lose more than they save where outliers are of few tokens.
    """
    room = np.quantile(weights, BULK) / np.maximum(weights, np.finfo(np.float32).tiny)
    wanted = np.maximum(activations / np.quantile(activations, BULK), np.minimum(1, room))
    return np.maximum(wanted, FLOOR).astype(np.float32)


def equalize(graph: ModelProto, peaks: dict[str, np.ndarray]) -> None:
    """Divide every product's input by its scales, in the graph itself, and multiply its weights; what it answers stays.

    The division is a node of its own, shared by the products that read the input: the input itself also goes on unscaled.
    """
    constants = graphs.arrays(graph)
    for inputs, weights in _together(graphs.products(graph).values()):
        matrices = {weight: numpy_helper.to_array(constants[weight]) for weight in weights}
        largest_weights = np.max([np.abs(matrix).max(axis=1) for matrix in matrices.values()], axis=0)
        factors = scales(np.max([peaks[name] for name in inputs], axis=0), largest_weights)
        for weight, matrix in matrices.items():
            constants[weight].CopyFrom(numpy_helper.from_array(matrix * factors[:, None], weight))
        for name in inputs:
            _divide(graph, name, factors)


def _together(products: Iterable[NodeProto]) -> list[tuple[list[str], list[str]]]:
    """Return the inputs and the weights that can only be scaled together: products share an input, and DeBERTa's also a matrix."""
    groups: list[tuple[dict, dict]] = []
    for node in products:
        joined = ({node.input[0]: None}, {node.input[1]: None})
        for group in [group for group in groups if any(name in group[side] for side, name in enumerate(node.input))]:
            groups.remove(group)
            joined = (group[0] | joined[0], group[1] | joined[1])
        groups.append(joined)
    return [(list(inputs), list(weights)) for inputs, weights in groups]


def _divide(graph: ModelProto, name: str, factors: np.ndarray) -> None:
    """Let the products that read an activation read it divided by the factors of its channels."""
    readers = [node for node in graphs.products(graph).values() if node.input[0] == name]
    graphs.add(graph, f"{name}_equalizer", 1 / factors)
    place = next(index for index, node in enumerate(graph.graph.node) if node in readers)
    graph.graph.node.insert(place, helper.make_node("Mul", [name, f"{name}_equalizer"], [f"{name}_equalized"], f"{name}_equalize"))
    for node in graphs.products(graph).values():
        if node.input[0] == name:
            node.input[0] = f"{name}_equalized"
