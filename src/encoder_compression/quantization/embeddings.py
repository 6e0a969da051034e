"""Tables of embeddings as 8-bit integers with a scale for each row."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from encoder_compression.quantization import graph as graphs


def quantize_embeddings(graph: ModelProto) -> int:
    """Store every table that the graph looks rows up in as signed 8-bit integers, in the graph itself; returns how many.

    A row is W[i] = s[i] q[i] with s[i] = max |W[i]| / 127. ONNX Runtime's own quantizer gives a whole table one scale, which
    costs twice the error or more.
    """
    constants = graphs.arrays(graph)
    nodes: list[NodeProto] = []
    tables = set()
    for node in graph.graph.node:
        table = constants.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or table.data_type != TensorProto.FLOAT:
            nodes.append(node)
            continue
        if table.name not in tables:
            _store(graph, table)
            tables.add(table.name)
        nodes += _look_up(table.name, rows=node.input[1], output=node.output[0], name=node.name)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return len(tables)


def _store(graph: ModelProto, table: TensorProto) -> None:
    values, name = numpy_helper.to_array(table), table.name
    scales = np.maximum(np.abs(values).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    graphs.add(graph, f"{name}_quantized", np.round(values / scales).astype(np.int8))
    graphs.add(graph, f"{name}_scale", scales)
    graph.graph.initializer.remove(table)


def _look_up(table: str, *, rows: str, output: str, name: str) -> list[NodeProto]:
    """Return the nodes that give rows of the table as floats: only those rows are ever converted."""
    return [
        helper.make_node("Gather", [f"{table}_quantized", rows], [f"{output}_integers"], name),
        helper.make_node("Gather", [f"{table}_scale", rows], [f"{output}_scales"], f"{name}_scales"),
        helper.make_node("Cast", [f"{output}_integers"], [f"{output}_unscaled"], f"{name}_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}_unscaled", f"{output}_scales"], [output], f"{name}_scale"),
    ]
