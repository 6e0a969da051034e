"""An ONNX graph as quantization sees it: its products with weights by name, its constants, and what it answers."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization.onnx_model import ONNXModel

from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.errors import UserError, nearest
from encoder_compression.runtimes.workload import Batch
from encoder_compression.statistics.finite import require_finite

FUSED = "query_key_value"  # the role of a matrix that gives all three
OF_POSITIONS = "position_{role}"  # of what DeBERTa makes of its relative positions, by the matrices of query and key or by further ones


def _scopes() -> Iterator[tuple[str, str]]:
    """Yield the scope of each matmul's node within a layer, such as attention/self/query, with its role."""
    for architecture in ARCHITECTURES.values():
        for role, path in architecture.linears.items():
            yield path, FUSED if architecture.fused and path == architecture.query else role
        if architecture.of_positions:
            for role, path in zip(("query", "key"), architecture.of_positions, strict=True):
                yield path, OF_POSITIONS.format(role=role)
                yield f"{architecture.linears[role]}_1", OF_POSITIONS.format(role=role)  # the second time that a layer asks it


ROLES = {path.replace(".", "/"): role for path, role in _scopes()}
OUTSIDE = "outside"  # what stands before or behind the layers, such as a pooler and the head


def read(file: Path) -> ModelProto:
    """Return a graph in which every product with a matrix is a MatMul that names it; the quantizers know no other in all their forms."""
    graph = ONNXModel(onnx.load(file))
    graph.replace_gemm_with_matmul()
    constants = arrays(graph.model)
    for node in [node for node in graph.model.graph.node if node.op_type == "Identity" and node.input[0] in constants]:
        graph.replace_input_of_all_nodes(node.output[0], node.input[0])  # a matrix that is read twice
        graph.remove_node(node)
    graph.topological_sort()
    return graph.model


def arrays(graph: ModelProto) -> dict[str, onnx.TensorProto]:
    """Return the graph's constants by name."""
    return {tensor.name: tensor for tensor in graph.graph.initializer}


def add(graph: ModelProto, name: str, values: np.ndarray) -> None:
    """Add a constant to the graph."""
    graph.graph.initializer.append(numpy_helper.from_array(values, name))


def products(graph: ModelProto) -> dict[str, NodeProto]:
    """Return the products of an activation with a weight matrix: ``{"query.1": …, "contraction.6": …, "outside.1": …}``.

    The number is that of the layer, from 1; outside the layers products are counted in the order of the graph.
    """
    constants = arrays(graph)
    nodes: dict[str, NodeProto] = {}
    for node in graph.graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            nodes[_name(node.name, nodes)] = node
    return nodes


def _name(node: str, before: Iterable[str]) -> str:
    match = re.search(r"/layers?\.(\d+)/(.+)/MatMul$", node)
    role = ROLES.get(match[2], OUTSIDE) if match else OUTSIDE
    number = int(match[1]) if role != OUTSIDE else sum(name.startswith(OUTSIDE) for name in before)
    return f"{role}.{number + 1}"


def select(names: Iterable[str], wanted: list[str]) -> list[str]:
    """Return the names of products that ``wanted`` lists, each by its own name or by its role, such as ``contraction``.

    Query, key and value also mean the one matrix of all three, and what is made of relative positions for them.
    """
    meant = {name: _meanings(name) for name in names}
    known = set().union(*meant.values())
    for name in wanted:
        if name not in known:
            raise UserError(f"exclude: the graph has no product '{name}'{nearest(name, known)}")
    return [name for name, meanings in meant.items() if meanings & set(wanted)]


def _meanings(name: str) -> set[str]:
    """Return all names by which a product can be asked for."""
    role, dot, number = name.partition(".")
    asked = {FUSED: ("query", "key", "value")}.get(role, (role.removeprefix(OF_POSITIONS.format(role="")),))
    return {part for kind in (role, *asked) for part in (kind, kind + dot + number)}


def drop_copies(graph: ModelProto) -> None:
    """Leave each constant once, in place: quantizers add those of a matrix anew for each product that reads it."""
    constants = arrays(graph)
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(constants.values())


def session(graph: ModelProto | Path) -> onnxruntime.InferenceSession:
    """Return a session of the graph on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = graph.SerializeToString() if isinstance(graph, ModelProto) else graph
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(running: onnxruntime.InferenceSession, batch: Batch) -> list[np.ndarray]:
    """Return the outputs of a graph for a batch."""
    one_sentence = np.zeros_like(batch["input_ids"])
    return running.run(None, {node.name: batch.get(node.name, one_sentence) for node in running.get_inputs()})


def answer(running: onnxruntime.InferenceSession, batch: Batch) -> np.ndarray:
    """Return logits [batch, classes], or of a span's start and end [batch, 2, length] with 0 at padding; UserError where not finite."""
    outputs = run(running, batch)
    logits = outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=1) * batch["attention_mask"][:, None]
    return require_finite(logits, source="the graph", remedy="keep more in float with 'exclude', or train its model anew")
