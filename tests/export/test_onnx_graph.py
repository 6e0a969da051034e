"""Graphs take any batch size and length, and equal PyTorch."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import contents, onnx_graph


@pytest.fixture(scope="module")
def options(tiny):
    return tiny.options["export"]


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


def test_each_layer_adds_the_same_row_of_a_mask_to_all_queries(exported):
    graph = onnx.load(exported[0] / "onnx" / "model.onnx")
    added = [set(node.input) for node in graph.graph.node if re.search(r"layer\.\d+/attention/(self/)?Add$", node.name)]
    (mask,) = set.intersection(*added)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(mask, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    present = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    feed = {"attention_mask": present, "input_ids": np.full_like(present, 7), "token_type_ids": np.zeros_like(present)}
    (row,) = session.run([mask], {node.name: feed[node.name] for node in session.get_inputs()})
    np.testing.assert_array_equal(row, np.where(present == 1, 0, np.finfo(np.float32).min)[:, None, None, :])
    assert len(added) == 2


def test_masks_of_transformers_are_its_own_after_an_export(exported):
    assert ALL_MASK_ATTENTION_FUNCTIONS["eager"] is eager_mask


def test_a_head_over_the_vocabulary_shares_the_embedding_matrix_in_the_file(encoder, options, tmp_path):
    model = pretrained.add_head(encoder, "AutoModelForMaskedLM", {})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    onnx_graph.export(model=tmp_path / "model", options=options, output=tmp_path / "onnx")
    table = tuple(model.get_input_embeddings().weight.shape)
    shapes = [tuple(tensor.dims) for tensor in onnx.load(tmp_path / "onnx" / "model.onnx").graph.initializer]
    assert shapes.count(table) == 1 and shapes.count(table[::-1]) == 0


def test_weights_of_half_precision_are_exported_in_single(encoder, options, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(encoder, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "model")
    encoder_facts.load_tokenizer(encoder).save_pretrained(tmp_path / "model")
    assert {weight.dtype for weight in pretrained.load_model(tmp_path / "model").parameters()} == {torch.float32}
    onnx_graph.export(model=tmp_path / "model", options=options, output=tmp_path / "onnx")
    graph = onnx.load(tmp_path / "onnx" / "model.onnx").graph
    assert {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 2} == {onnx.TensorProto.FLOAT}


def test_the_graph_agrees_with_pytorch(exported):
    assert exported[1]["largest_logit_difference"] < 1e-5


def test_a_graph_that_disagrees_is_an_error(exported, options, tmp_path):
    with pytest.raises(RuntimeError, match="differ by .* over the tolerance"):
        onnx_graph.export(model=exported[0] / "model", options=options | {"tolerance": 1e-12}, output=tmp_path)


def test_the_graph_has_the_models_parameters(exported):
    folder, _ = exported
    model = contents.describe(folder / "model")["parameters"]
    assert contents.describe(folder / "onnx")["parameters"] == pytest.approx(model, rel=0.02)
