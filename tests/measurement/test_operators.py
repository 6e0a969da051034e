"""Operators of each runtime have the kind that their work has."""

import pytest

from encoder_compression.measurement.operators import kind_of, place_of

HEADS, TOKENS, WEIGHTS = [1, 12, 26, 32], [1, 26, 384], [384, 384]
FLOATS, IDS = ["float", "float"], ["int64", "int64"]


def kind(name: str, node: str = "", shapes: list = (), formats: list = FLOATS) -> str:
    return kind_of(name=name, node=node, place=place_of(node), shapes=list(shapes), formats=formats)


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("MatMul", [TOKENS], "matmul"),
        ("aten::linear", [TOKENS, WEIGHTS], "matmul"),
        ("quantized::linear_dynamic", [TOKENS], "matmul"),
        ("FullyConnected", [TOKENS, WEIGHTS], "matmul"),
        ("MatMulNBits", [TOKENS], "matmul"),
        ("FusedMatMul", [HEADS, HEADS], "attention"),
        ("MatMul", [HEADS, HEADS], "attention"),
        ("aten::scaled_dot_product_attention", [HEADS], "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", [HEADS], "attention"),
        ("TorchDynamo Cache Lookup", [], "runtime overhead"),
        ("SkipLayerNormalization", [TOKENS], "normalization"),
        ("MVN", [TOKENS], "normalization"),
        ("BiasGelu", [TOKENS], "activation"),
        ("DynamicQuantizeLinear", [TOKENS], "quantize/dequantize"),
        ("Transpose", [HEADS], "copies"),
        ("aten::add", [TOKENS, TOKENS], "elementwise"),
        ("Reshape", [TOKENS], "runtime overhead"),
        ("NeverHeardOf", [TOKENS], "other"),
    ],
)
def test_a_name_has_a_kind(name, shapes, expected):
    assert kind(name, shapes=shapes) == expected


def test_a_gather_is_a_look_up_among_embeddings_and_a_copy_elsewhere():
    assert kind("Gather", "/bert/embeddings/word_embeddings/Gather", formats=["float", "int64"]) == "embedding"
    assert kind("Gather", "/bert/pooler/Gather", formats=["float", "int64"]) == "copies"


def test_arithmetic_of_shapes_and_masks_is_overhead():
    assert kind("Gather", "/bert/embeddings/Gather", formats=IDS) == "runtime overhead"
    assert kind("Concat", "/bert/encoder/layer.0/attention/self/Concat", formats=IDS) == "runtime overhead"


def test_nodes_that_quantize_steps_add_count_as_quantizing():
    assert kind("Mul", "/bert/embeddings/LayerNorm/LayerNormalization_output_0_equalize") == "quantize/dequantize"
    assert kind("Cast", "/bert/embeddings/word_embeddings/Gather_cast", formats=["int8"]) == "quantize/dequantize"
    assert kind("Mul", "/bert/embeddings/word_embeddings/Gather_scale") == "quantize/dequantize"


LAYER = "/bert/encoder/layer.0"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (f"{LAYER}/attention/self/Transpose,Multiply_17899,Add_17901,Softmax_17902,{LAYER}/attention/self/MatMul_1", "attention"),
        ("/bert/pooler/dense/Gemm/WithoutBiases,/bert/pooler/activation/Tanh,/classifier/Gemm/WithoutBiases", "matmul"),
        (f"Multiply_40,{LAYER}/output/LayerNorm/LayerNormalization,{LAYER}/output/fq_output_0", "quantize/dequantize"),
        (f"Multiply_40,{LAYER}/output/LayerNorm/LayerNormalization", "normalization"),
        ("/bert/embeddings/Add,/bert/embeddings/Add_1", "embedding"),
        (f"{LAYER}/output/Add", "elementwise"),
    ],
)
def test_a_fused_operator_of_openvino_has_the_first_kind_of_its_parts(nodes, expected):
    assert kind("Subgraph", nodes) == expected


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ("/bert/encoder/layer.0/attention/self/query/MatMul_quant", "bert.encoder.layer.0.attention.self.query"),
        ("/bert/encoder/layer.0/attention/self/MatMul/MatMulScaleFusion/", "bert.encoder.layer.0.attention.self"),
        ("fused /bert/pooler/dense/Gemm", "bert.pooler.dense"),
        ("/bert/pooler/dense/Gemm/WithoutBiases,/classifier/Gemm", "bert.pooler.dense"),
        ("Multiply_31308,/bert/encoder/layer.1/output/dense/Add", "bert.encoder.layer.1.output.dense"),
        ("BiasGelu_token_9", ""),
    ],
)
def test_a_node_lies_in_its_module(node, place):
    assert place_of(node) == place
