"""Quantized graphs hold fast 8-bit weights and everything that is needed to run them."""

import onnx
from onnx import TensorProto

from encoder_compression import encoders
from encoder_compression.measurement import contents
from encoder_compression.techniques.quantize import quantize


def test_quantized_weights_are_signed_per_channel_and_four_times_smaller(exported, dataset, tiny, tmp_path):
    facts = quantize(parent=exported[0] / "onnx", dataset=dataset, options=tiny.options["quantize"]["int8"], output=tmp_path, name="test")
    tensors = {tensor.name: tensor for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    weights = [name for name in tensors if name.endswith("MatMul_quantized") or "onnx::MatMul" in name and name.endswith("_quantized")]
    assert weights
    for name in weights:
        assert tensors[name].data_type == TensorProto.INT8
        scale = tensors[name.replace("_quantized", "_scale")]
        assert list(scale.dims) == [tensors[name].dims[1]]
    assert facts["integer_matmuls"] >= len(weights)
    assert contents.describe(tmp_path)["size_mb"] < 0.5 * contents.describe(exported[0] / "onnx")["size_mb"]


def test_a_quantized_artifact_has_what_is_needed_to_run_it(exported, dataset, tiny, tmp_path):
    from optimum.onnxruntime import ORTModelForSequenceClassification

    quantize(parent=exported[0] / "onnx", dataset=dataset, options=tiny.options["quantize"]["int8"], output=tmp_path, name="test")
    model = ORTModelForSequenceClassification.from_pretrained(tmp_path)
    batch = encoders.load_tokenizer(tmp_path)(["a warm film"], return_tensors="pt")
    assert model(**batch).logits.shape == (1, 2)
