"""An ONNX graph as quantization sees it: its products with weights by name, its constants, and what it answers."""

import re
from collections.abc import Iterable
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

# The roles of linear layers by the scope of their nodes within a layer, such as attention/self/query.
ROLES = {path.replace(".", "/"): role for architecture in ARCHITECTURES.values() for role, path in architecture.linears.items()}
OUTSIDE = "outside"  # what stands before or behind the layers, such as a pooler and the head


def read(file: Path) -> ModelProto:
    """Return a graph in which every product with a matrix is a MatMul; the quantizers know no other in all their forms."""
    graph = ONNXModel(onnx.load(file))
    graph.replace_gemm_with_matmul()
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
    match = re.search(r"/layer\.(\d+)/(.+)/MatMul$", node)
    role = ROLES.get(match[2], OUTSIDE) if match else OUTSIDE
    number = int(match[1]) if role != OUTSIDE else sum(name.startswith(OUTSIDE) for name in before)
    return f"{role}.{number + 1}"


def select(names: Iterable[str], wanted: list[str]) -> list[str]:
    """Return the names of products that ``wanted`` lists, each by its own name or by its role, such as ``contraction``."""
    names = list(names)
    known = {*names, *(name.partition(".")[0] for name in names)}
    for name in wanted:
        if name not in known:
            raise UserError(f"exclude: the graph has no product '{name}'{nearest(name, known)}")
    return [name for name in names if name in wanted or name.partition(".")[0] in wanted]


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
