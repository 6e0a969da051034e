"""A delivery of weights computes what the measurement does: without removed heads, and static models without a class of transformers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import make_encoder
from encoder_compression.contract.delivered.torch_model import TorchModel
from encoder_compression.contract.delivered_settings import of_runtime
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.static_model import StaticConfig, StaticForSequenceClassification
from encoder_compression.runtimes.pytorch_runtime import Runtime
from measuring_options import PYTORCH

SETTINGS = {"task": "classification", "token_types": False} | PYTORCH


def batch() -> dict[str, np.ndarray]:
    """Return two inputs, the second one shorter."""
    ids = np.random.default_rng(0).integers(5, 60, (2, 9))
    mask = np.array([[1] * 9, [1] * 6 + [0] * 3])
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def assert_same_logits(model: TorchModel, folder: Path) -> None:
    inputs = {name: values for name, values in batch().items() if name != "token_type_ids"}
    expected = Runtime(folder, device=PYTORCH)(inputs)
    np.testing.assert_allclose(model(batch()), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert"])
def test_removed_heads_are_not_computed(tmp_path, architecture):
    encoder = make_encoder(tmp_path / "encoder", architecture, heads=4)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.remove_heads(model, {1: [0, 2]})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    loaded = TorchModel(tmp_path / "model", SETTINGS | of_runtime(tmp_path / "model", "pytorch", {}))
    assert_same_logits(loaded, tmp_path / "model")
    output = encoder_facts.architecture(tmp_path / "model").attention_output
    widths = [layer.weight.shape[1] for name, layer in loaded.model.named_modules() if name.endswith(f".{output}")]
    assert sorted(widths) == [16, 32]


@pytest.mark.parametrize("texts", [1, 2])
def test_a_static_model_needs_no_class_of_transformers(tmp_path, encoder, texts):
    torch.manual_seed(0)
    ids = {"cls_token_id": 2, "sep_token_id": 3, "pad_token_id": 0}
    config = StaticConfig(vocab_size=300, hidden_size=8, texts=texts, num_labels=2, **ids)
    model = StaticForSequenceClassification(config)
    torch.nn.init.normal_(model.embedding.weight)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    assert_same_logits(TorchModel(tmp_path / "model", SETTINGS), tmp_path / "model")
