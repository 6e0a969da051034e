"""What an operator of a runtime does, by its name: the kinds among which a call's milliseconds are divided."""

import re

MATMUL, ATTENTION, NORMALIZATION, EMBEDDING, ACTIVATION = "matmul", "attention", "normalization", "embedding", "activation"
QUANTIZE, ELEMENTWISE, COPIES, OVERHEAD, OTHER = "quantize/dequantize", "elementwise", "copies", "runtime overhead", "other"
KINDS = (MATMUL, ATTENTION, NORMALIZATION, EMBEDDING, ACTIVATION, QUANTIZE, ELEMENTWISE, COPIES, OVERHEAD, OTHER)
# Of a fused operator the first kind of this list counts that any of its parts has.
FUSED = (
    (ATTENTION, r"\bSoftmax"),
    (MATMUL, r"/(MatMul|Gemm)\b"),
    (QUANTIZE, r"/fq_|FakeQuantize|smooth_quant"),
    (NORMALIZATION, r"LayerNorm|norm/"),
    (ACTIVATION, r"act_fn|activation|Gelu|Tanh"),
    (EMBEDDING, r"embeddings"),
    (ELEMENTWISE, r""),
)
BY_NAME = {
    MATMUL: "addmm|mm|_int_mm|matmul|linear|linear_dynamic|linear_relu_dynamic|_mkl_linear|_linear_pointwise|MatMul|FusedMatMul|Gemm"
    "|FusedGemm|MatMulInteger|DynamicQuantizeMatMul|MatMulIntegerToFloat|MatMulNBits|QLinearMatMul|QGemm|FullyConnected"
    "|FullyConnectedCompressed|FullyConnectedQuantized|FullyConnectedQuantizedLegacy|gemv_4bit|int8_scaled_mm|int8_linear_matmul"
    "|int8_mixed_scaled_mm",
    ATTENTION: "bmm|baddbmm|softmax|_softmax|scaled_dot_product_attention|_scaled_dot_product_flash_attention_for_cpu"
    "|_scaled_dot_product_flash_attention|_scaled_dot_product_efficient_attention|_scaled_dot_product_cudnn_attention|Softmax|Attention|MultiHeadAttention|QAttention"
    "|ScaledDotProductAttention|ScaledDotProductAttentionWithKVCache|MHA|RoPE|RotaryEmbedding",
    NORMALIZATION: "layer_norm|rms_norm|LayerNormalization|SkipLayerNormalization|SimplifiedLayerNormalization"
    "|EmbedLayerNormalization|MVN|RMS|RMSNorm",
    EMBEDDING: "embedding",
    ACTIVATION: "gelu|tanh|relu|silu|sigmoid|Gelu|BiasGelu|FastGelu|QuickGelu|Tanh|Relu|Erf|Sigmoid|Swish",
    QUANTIZE: "quantize_per_tensor|quantize_per_channel|quantize_per_tensor_dynamic|dequantize|DynamicQuantizeLinear|QuantizeLinear"
    "|DequantizeLinear|FakeQuantize|Quantize|quantize_4bit|dequantize_4bit|quantize_blockwise|dequantize_blockwise"
    "|int8_vectorwise_quant|int8_vectorwise_dequant|int8_mm_dequant|int8_double_quant|choose_qparams_affine|quantize_affine"
    "|dequantize_affine",
    ELEMENTWISE: "add|add_|sub|rsub|mul|mul_|div|pow|sqrt|where|masked_fill|masked_fill_|clamp|abs|sin|cos|neg|mean|Add|Sub|Mul|Div"
    "|Pow|Sqrt|Where|Abs|Clip|Clamp|Neg|Eltwise|Equal|Not|And|Less|Greater|ReduceMean|ReduceSum",
    COPIES: "copy_|_to_copy|to|cat|stack|clone|contiguous|gather|index|index_select|index_put_|fill_|Transpose|Concat|Split|Expand|Pad"
    "|Cast|Convert|Reorder|Gather|GatherElements|GatherND|Slice|StridedSlice|Tile|ScatterElements|Memcpy|Broadcast",
    OVERHEAD: "view|reshape|transpose|t|permute|expand|unsqueeze|squeeze|select|slice|split|chunk|unbind|detach|empty|empty_like"
    "|empty_strided|as_strided|dropout|lift_fresh|item|is_nonzero|all|any|arange|ones|zeros|resolve_conj|resolve_neg|Reshape|Shape"
    "|ShapeOf|Unsqueeze|Squeeze|Range|ConstantOfShape|NonZero|TorchDynamo Cache Lookup|Pregraph bytecode"
    "|AOTDispatcher Runtime Wrapper Prologue",
}  # fmt: skip
KIND_OF = {name: kind for kind, names in BY_NAME.items() for name in names.split("|")}
FORMATS = {  # what runtimes call number formats
    "float": "float32", "double": "float64", "c10::Half": "float16", "c10::BFloat16": "bfloat16", "long int": "int64", "long": "int64",
    "int": "int32", "unsigned char": "uint8", "signed char": "int8", "i64": "int64", "i32": "int32",
}  # fmt: skip
OF_QUANTIZATION = re.compile(r"_(equalize|cast|scale)$")  # nodes that the steps of quantization/ put into a graph
COUNTS = {"int64", "int32", "bool", "i64", "i32", "boolean", "long int", "long", "int"}  # formats of shapes, ids and masks


def kind_of(*, name: str, node: str, place: str, shapes: list[list[int]], formats: list[str]) -> str:
    """Return the kind of an operator, one of `KINDS`; `OTHER` where its name is not known.

    ``name`` is the operator's type, such as aten::linear, MatMul or FullyConnected; ``node`` what the graph calls it, of a fused operator
    the names of its parts with commas between them; ``place`` its module; ``shapes`` and ``formats`` are those of its inputs.
    """
    short = name.rpartition("::")[2]
    if short == "Subgraph":
        return next(kind for kind, parts in FUSED if re.search(parts, node))
    kind = KIND_OF.get(short, OTHER)
    if OF_QUANTIZATION.search(node):
        return QUANTIZE
    if kind == MATMUL and shapes and len(shapes[0]) == 4:  # heads apart: a product of two activations
        return ATTENTION
    if short in ("Gather", "index_select") and ("embedding" in place or not place) and not set(formats) <= COUNTS:
        return EMBEDDING
    if kind in (COPIES, ELEMENTWISE) and formats and set(formats) <= COUNTS:
        return OVERHEAD
    return kind


def place_of(node: str) -> str:
    """Return the module behind a node of a graph, ``bert.encoder.layer.0.output.dense`` of ``/bert/encoder/layer.0/output/dense/Add``.

    A node that a runtime named itself has no module: "".
    """
    path = next((part for part in node.removeprefix("fused ").split(",") if part.startswith("/")), "")
    parts = path.strip("/").split("/")[:-1]
    return ".".join(parts[:-1] if parts and parts[-1] in ("MatMul", "Gemm") else parts)
