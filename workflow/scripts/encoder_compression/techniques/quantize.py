"""ONNX graphs to INT8."""

import shutil
from pathlib import Path

import onnx
from optimum.onnxruntime import AutoQuantizationConfig, ORTQuantizer

from encoder_compression.sources.encoder import TOKENIZER_FILES
from encoder_compression.techniques.onnx_graph import GRAPH


def quantize(*, parent: Path, options: dict, output: Path) -> dict:
    """Write the dynamic INT8 form of a graph: signed 8-bit weights; returns facts about its operators.

    Signed weights with unsigned activations are the fast kernels of x86; zero stays exactly zero.
    Raises RuntimeError where nothing was quantized.
    """
    parent, output = Path(parent), Path(output)
    scheme = getattr(AutoQuantizationConfig, options["isa"])(is_static=False, per_channel=options["per_channel"])
    quantizer = ORTQuantizer.from_pretrained(parent, file_name=GRAPH)
    quantizer.quantize(save_dir=output, quantization_config=scheme, file_suffix="")
    for name in TOKENIZER_FILES:
        if (parent / name).exists():
            shutil.copyfile(parent / name, output / name)
    operators = [node.op_type for node in onnx.load(output / GRAPH, load_external_data=False).graph.node]
    integer = sum(operator in ("MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul") for operator in operators)
    if not integer:
        raise RuntimeError("no matrix product was quantized")
    remaining = sum(operator in ("MatMul", "Gemm") for operator in operators)
    return {"integer_matmuls": integer, "float_matmuls": remaining}
