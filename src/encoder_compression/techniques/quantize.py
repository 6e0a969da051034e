"""ONNX graphs with weights of 8 or 4 bits, for ONNX Runtime."""

from pathlib import Path

import onnx
from onnx import ModelProto

from encoder_compression.errors import UserError
from encoder_compression.export.onnx_graph import GRAPH, copy_companions
from encoder_compression.quantization import graph as graphs
from encoder_compression.quantization import sensitivity
from encoder_compression.quantization.embeddings import quantize_embeddings
from encoder_compression.quantization.equalization import equalize, ranges
from encoder_compression.runtimes import kernels
from encoder_compression.runtimes.workload import Workload


def quantize(*, parent: Path, dataset: Path, options: dict, output: Path, name: str) -> dict:
    """Write the quantized form of a graph, beside its config and tokenizer; returns facts about its operators.

    Method "dynamic" multiplies in 8 bits, with scales of activations by batch; "weights" only stores weights in fewer bits,
    and leaves everything outside the layers in float. ``dataset`` gives the calibration inputs, of train, and validation for
    ``exclude: auto``; nothing else of it is read. Zero stays exactly zero. ``name`` is shown in the bar.
    Raises UserError where an excluded product does not exist or none is left to quantize.
    """
    parent, output = Path(parent), Path(output)
    graph = graphs.read(parent / GRAPH)
    _prepare(graph, dataset, options)
    copy_companions(parent, output)
    kept, facts = _keep(graph, parent, dataset, options, output, name)
    if len(kept) == len(graphs.products(graph)):
        raise UserError("every product would stay in float; take some out of 'exclude', or allow more in 'drop' where it is auto")
    facts |= METHODS[options["method"]](graph, kept, options, output)
    return facts | _count(output / GRAPH) | {"kept_in_float": kept}


def _prepare(graph: ModelProto, dataset: Path, options: dict) -> None:
    """Equalize the graph and store its embeddings, as far as the options say."""
    if options["equalize"] and options["method"] == "dynamic":
        equalize(graph, ranges(graph, Workload(dataset, "train"), options["calibration"]))
    if options["embeddings"] == "int8":
        quantize_embeddings(graph)


def _keep(graph: ModelProto, parent: Path, dataset: Path, options: dict, output: Path, name: str) -> tuple[list[str], dict]:
    """Return the products that stay in float, and facts about how they were chosen."""
    if options["exclude"] == "auto":
        validation = sensitivity.Validation(graphs.read(parent / GRAPH), dataset, options["metric"])
        ranked = sensitivity.losses(graph, Workload(dataset, "train"), name)
        return _choose(graph, ranked, validation, options, output)
    names = list(graphs.products(graph))
    outside = [name for name in names if name.startswith(graphs.OUTSIDE) and options["method"] == "weights"]
    return graphs.select(names, [*options["exclude"], *outside]), {}


def _choose(
    graph: ModelProto, ranked: dict[str, float], validation: sensitivity.Validation, options: dict, output: Path
) -> tuple[list[str], dict]:
    """Return the fewest products, the most sensitive first, that keep the loss on validation within ``options["drop"]``."""
    drop, tried = options["drop"], {}

    def fits(kept: list[str]) -> bool:
        _dynamic(graph, kept, options, output)
        tried[len(kept)] = validation.compare(output / GRAPH)
        return tried[len(kept)]["lost_points"] <= drop["points"] and tried[len(kept)]["agreement"] >= drop["agreement"]

    kept = sensitivity.fewest(list(ranked), fits)
    sensitivity.write(ranked, kept, output)
    return kept, {"on_validation": tried.get(len(kept))}


def _dynamic(graph: ModelProto, kept: list[str], options: dict, output: Path) -> dict:
    """Write the graph with 8-bit products but those ``kept`` in float; returns the instruction set it is for."""
    nodes = [node.name for product, node in graphs.products(graph).items() if product not in kept]
    isa = kernels.choose(options["isa"])
    onnx.save(kernels.dynamic_int8(graph, isa=isa, per_channel=options["per_channel"], nodes=nodes), output / GRAPH)
    return {"isa": isa}


def _weights(graph: ModelProto, kept: list[str], options: dict, output: Path) -> dict:
    """Write the graph with weights of few bits, a scale per block of inputs; products multiply them by 8-bit activations."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        graph,
        bits=options["bits"],
        block_size=options["block"],
        is_symmetric=True,
        accuracy_level=4,
        nodes_to_exclude=[graphs.products(graph)[product].name for product in kept],
    )
    quantizer.process()
    graphs.drop_copies(quantizer.model.model)
    onnx.save(quantizer.model.model, output / GRAPH)
    return {}


METHODS = {"dynamic": _dynamic, "weights": _weights}


def _count(file: Path) -> dict[str, int]:
    """Return how many products a graph has in integers and in float, those of two activations included."""
    operators = [node.op_type for node in onnx.load(file, load_external_data=False).graph.node]
    integer = sum(operator in ("MatMulInteger", "MatMulNBits") for operator in operators)
    return {"integer_matmuls": integer, "float_matmuls": operators.count("MatMul")}
