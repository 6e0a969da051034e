"""ONNX graphs to OpenVINO's form, and that to INT8: the only module that touches OpenVINO's converter and NNCF."""

from pathlib import Path

import nncf
import numpy as np
import openvino

from encoder_compression.data import features
from encoder_compression.data.sampling import spread
from encoder_compression.export import onnx_graph, openvino_weights
from encoder_compression.runtimes.openvino_runtime import Runtime
from encoder_compression.runtimes.workload import Batch

GRAPH = "openvino_model.xml"


def convert(*, model: Path, graph: Path, options: dict, output: Path) -> dict:
    """Write the ONNX ``graph`` of a ``model`` in OpenVINO's form, in float32, beside its config and tokenizer.

    Returns facts. Raises RuntimeError where its logits differ from PyTorch's by more than ``options["tolerance"]``, a single
    input padded by the runtime among them, or where it does not hold exactly the model's zeros.
    """
    _save(openvino.convert_model(Path(graph) / onnx_graph.GRAPH), parent=Path(graph), output=Path(output))
    runtime = Runtime(Path(output), device=onnx_graph.PLAIN)
    runtime.prepare(np.array([5]), set(runtime.names))
    return onnx_graph.compare(Path(model), Path(output), runtime, tolerance=options["tolerance"])


def _save(graph: openvino.Model, *, parent: Path, output: Path) -> None:
    onnx_graph.copy_companions(parent, output)
    openvino.save_model(graph, output / GRAPH, compress_to_fp16=False)


def quantize(*, parent: Path, dataset: Path, options: dict, output: Path) -> dict:
    """Write the INT8 form of a parent in OpenVINO's form; returns facts about its matrix products.

    NNCF's post-training quantization, which moves outliers of the activations into the weights (SmoothQuant, Xiao et al.
    2023), fixes the activations' scales on ``options["calibration"]`` inputs of train, and corrects the biases. Weights are
    signed with a scale per output channel, so zero stays exactly zero. Raises RuntimeError where nothing was quantized.
    """
    graph = openvino.Core().read_model(Path(parent) / GRAPH)
    inputs = _calibration(Path(dataset), options["calibration"], [node.get_any_name() for node in graph.inputs])
    graph = nncf.quantize(graph, nncf.Dataset(inputs), subset_size=len(inputs), model_type=nncf.ModelType.TRANSFORMER)
    _look_up_before_scaling(graph)
    _save(graph, parent=Path(parent), output=Path(output))
    products = [node for node in graph.get_ops() if node.get_type_name() == "MatMul"]
    integer = sum(openvino_weights.is_quantized(node) for node in products)
    if not integer:
        raise RuntimeError("no matrix product was quantized")
    return {"integer_matmuls": integer, "float_matmuls": len(products) - integer, "calibration_inputs": len(inputs)}


def _calibration(dataset: Path, count: int, names: list[str]) -> list[Batch]:
    """Return so many inputs of train, spread evenly over it, one by one and so without padding."""
    train = features.read(dataset, "train")
    chosen = train.take(spread(count, len(train))).to_pylist()
    rows = [{name: np.array([values], dtype=np.int64) for name, values in row.items()} for row in chosen]
    return [_complete(row, names) for row in rows]


def _complete(row: Batch, names: list[str]) -> Batch:
    defaults = {"attention_mask": np.ones_like(row["input_ids"]), "token_type_ids": np.zeros_like(row["input_ids"])}
    return {name: (defaults | row)[name] for name in names}


def _look_up_before_scaling(graph: openvino.Model) -> None:
    """Let embeddings look up 8-bit rows and scale those, instead of scaling the whole table: the same numbers.

    Of a quantized model OpenVINO would otherwise hold the table in float32, once per compiled graph.
    """
    operators = openvino.opset13
    for gather in [node for node in graph.get_ops() if node.get_type_name() == "Gather"]:
        table = gather.input_value(0).get_node()
        if not openvino_weights.is_scaled(table):
            continue
        codes, scale = table.input_value(0).get_node().input_value(0), table.input_value(1)
        indices, axis = gather.input_value(1), gather.input_value(2)
        rows = operators.convert(operators.gather(codes, indices, axis), "f32")
        scaled = operators.multiply(rows, operators.gather(scale, indices, axis))
        scaled.set_friendly_name(gather.get_friendly_name())
        gather.output(0).replace(scaled.output(0))
