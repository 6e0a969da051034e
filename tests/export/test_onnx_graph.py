"""Graphs take any batch size and length, and equal PyTorch."""

import numpy as np
import onnxruntime
import pytest

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


def test_the_graph_agrees_with_pytorch(exported):
    assert exported[1]["largest_logit_difference"] < 1e-5


def test_a_graph_that_disagrees_is_an_error(exported, options, tmp_path):
    with pytest.raises(RuntimeError, match="differ by .* over the tolerance"):
        onnx_graph.export(model=exported[0] / "model", options=options | {"tolerance": 1e-12}, output=tmp_path)


def test_the_graph_has_the_models_parameters(exported):
    folder, _ = exported
    model = contents.describe(folder / "model")["parameters"]
    assert contents.describe(folder / "onnx")["parameters"] == pytest.approx(model, rel=0.02)
