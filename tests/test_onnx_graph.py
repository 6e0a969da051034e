"""Graphs take any batch size and length, equal PyTorch, and hold fast 8-bit weights once quantized."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from conftest import make_encoder
from encoder_compression import encoders
from encoder_compression.measurement import contents
from encoder_compression.techniques import onnx_graph


@pytest.fixture(scope="module")
def options(tiny):
    return tiny.options["export"]


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def exported(request, tmp_path_factory, options):
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "encoder", request.param, hidden_size=128, intermediate_size=512)
    model = encoders.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():  # a fresh model has equal biases, which an exporter merges
        torch.nn.init.normal_(parameter, std=0.02)
    encoders.save(model, encoders.load_tokenizer(encoder), folder / "model")
    facts = onnx_graph.export(model=folder / "model", options=options, output=folder / "onnx")
    return folder, facts


def test_batch_size_and_length_are_free(exported):
    session = onnxruntime.InferenceSession(exported[0] / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    for node in session.get_inputs():
        assert all(isinstance(size, str) for size in node.shape)
    for batch_size, length in ((1, 3), (5, 21)):
        ids = np.full((batch_size, length), 7, dtype=np.int64)
        (logits,) = session.run(
            ["logits"], {node.name: np.ones_like(ids) if "mask" in node.name else ids * 0 + 1 for node in session.get_inputs()}
        )
        assert logits.shape == (batch_size, 2)


def test_the_graph_agrees_with_pytorch(exported):
    assert exported[1]["largest_logit_difference"] < 1e-5


def test_a_graph_that_disagrees_is_an_error(exported, options, tmp_path):
    with pytest.raises(RuntimeError, match="differ by .* over the tolerance"):
        onnx_graph.export(model=exported[0] / "model", options=options | {"tolerance": 1e-12}, output=tmp_path)


def test_the_graph_has_the_models_parameters(exported):
    folder, _ = exported
    model = contents.describe(folder / "model")["parameters"]
    assert contents.describe(folder / "onnx")["parameters"] == pytest.approx(model, rel=0.02)


def test_quantized_weights_are_signed_per_channel_and_four_times_smaller(exported, tiny, tmp_path):
    facts = onnx_graph.quantize(parent=exported[0] / "onnx", options=tiny.options["quantize"]["int8"], output=tmp_path)
    tensors = {tensor.name: tensor for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    weights = [name for name in tensors if name.endswith("MatMul_quantized") or "onnx::MatMul" in name and name.endswith("_quantized")]
    assert weights
    for name in weights:
        assert tensors[name].data_type == TensorProto.INT8
        scale = tensors[name.replace("_quantized", "_scale")]
        assert list(scale.dims) == [tensors[name].dims[1]]
    assert facts["integer_matmuls"] >= len(weights)
    assert contents.describe(tmp_path)["size_mb"] < 0.5 * contents.describe(exported[0] / "onnx")["size_mb"]


def test_a_quantized_artifact_has_what_is_needed_to_run_it(exported, tiny, tmp_path):
    from optimum.onnxruntime import ORTModelForSequenceClassification

    onnx_graph.quantize(parent=exported[0] / "onnx", options=tiny.options["quantize"]["int8"], output=tmp_path)
    model = ORTModelForSequenceClassification.from_pretrained(tmp_path)
    batch = encoders.load_tokenizer(tmp_path)(["a warm film"], return_tensors="pt")
    assert model(**batch).logits.shape == (1, 2)
