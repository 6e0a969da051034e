"""Narrower hidden states: principal components, fitted norms and matrices, sizes that a standard config says."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import nn

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph
from encoder_compression.pruning import narrowing, structure
from encoder_compression.pruning.gates import Importance

SHAPE = {"layers": 3, "heads": 4, "intermediate_size": 64}  # 32 wide: heads of 8
ARCHITECTURES = ["bert", "roberta", "distilbert", "xlm-roberta", "camembert"]


def make(folder, architecture="bert", head="SequenceClassification", *, spread=0.1):
    """Return a model whose norms differ from number to number by the ``spread``, as trained ones do."""
    encoder = make_encoder(folder, architecture, **SHAPE)
    labels = {"num_labels": 3} if head == "SequenceClassification" else {}
    model = pretrained.add_head(encoder, f"AutoModelFor{head}", labels).eval()
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.data += spread * torch.randn(module.weight.shape, generator=generator)
            module.bias.data += spread * torch.randn(module.bias.shape, generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.data = torch.randn(module.weight.shape, generator=generator) / module.in_features**0.5
    return model


def batches(count: int = 24, **labels) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (count, 4, 12), generator=generator)
    attention_mask = torch.ones_like(ids)
    attention_mask[:, 1:, 8:] = 0
    labels = labels or {"labels": torch.randint(0, 3, (4,), generator=generator)}
    return [{"input_ids": ids[i], "attention_mask": attention_mask[i]} | labels for i in range(count)]


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        answers = [model(**{name: batch[name] for name in ("input_ids", "attention_mask")}) for batch in batches()]
    return torch.cat([pretrained.logits(answer) for answer in answers])


def loss_of_variance(model, other) -> float:
    """Return the share of the variance of a model's logits that another one does not give."""
    expected = logits(model)
    return float((logits(other) - expected).square().mean() / (expected - expected.mean(dim=0)).square().mean())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sizes_are_those_of_the_config(tmp_path, architecture):
    model = make(tmp_path, architecture)
    narrowed = narrowing.narrow(model, 16, batches())
    adapter = pretrained.architecture(narrowed)
    sizes = [getattr(narrowed.config, key) for key in (adapter.width_key, adapter.heads_key, adapter.neurons_key, adapter.depth_key)]
    assert sizes == [16, 2, 32, 3]
    for block in pretrained.blocks(narrowed):
        for role in ("query", "key", "value", "attention_output"):
            assert getattr(block, role).weight.shape == (16, 16)
        assert block.expansion.weight.shape == (32, 16)
        assert block.contraction.weight.shape == (16, 32)
    assert narrowed.get_input_embeddings().weight.shape == (model.get_input_embeddings().weight.shape[0], 16)
    assert model.config.hidden_size == 32


def test_it_loads_in_a_process_that_knows_nothing_of_this_project(tmp_path):
    expected = {}
    for architecture in ARCHITECTURES:
        narrowed = narrowing.narrow(make(tmp_path / "base" / architecture, architecture), 16, batches())
        pretrained.save(narrowed, encoder_facts.load_tokenizer(tmp_path / "base" / architecture), tmp_path / architecture)
        expected[architecture] = narrowed(batches()[0]["input_ids"]).logits
    code = f"""
import json, sys, torch
from transformers import AutoModelForSequenceClassification
answers = {{}}
for architecture in {ARCHITECTURES}:
    model, report = AutoModelForSequenceClassification.from_pretrained(architecture, output_loading_info=True)
    assert not any(report.values()), report
    with torch.inference_mode():
        answers[architecture] = model.eval()(torch.tensor({batches()[0]["input_ids"].tolist()})).logits.tolist()
assert not any(name.startswith("encoder_compression") for name in sys.modules)
print(json.dumps(answers))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for architecture, answers in json.loads(done.stdout).items():
        torch.testing.assert_close(torch.tensor(answers), expected[architecture])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_at_full_width_it_answers_as_before_where_norms_have_equal_weights(tmp_path, architecture):
    model = make(tmp_path, architecture, spread=0)
    torch.testing.assert_close(logits(narrowing.narrow(model, 32, batches())), logits(model), atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_at_full_width_it_answers_nearly_as_before_where_they_differ(tmp_path, architecture):
    model = make(tmp_path, architecture)
    assert loss_of_variance(model, narrowing.narrow(model, 32, batches())) < 0.2


def test_the_wider_the_nearer(tmp_path):
    model = make(tmp_path)
    losses = [loss_of_variance(model, narrowing.narrow(model, width, batches())) for width in (8, 16, 24, 32)]
    assert losses == sorted(losses, reverse=True)


def test_without_fits_much_more_is_lost(tmp_path, monkeypatch):
    model = make(tmp_path)
    fitted = loss_of_variance(model, narrowing.narrow(model, 24, batches()))
    for name in ("_fit_embeddings", "_fit_layers"):
        monkeypatch.setattr(narrowing, name, lambda *arguments: None)
    assert loss_of_variance(model, narrowing.narrow(model, 24, batches())) > 1.5 * fitted


def test_models_for_questions_are_narrowed_too(tmp_path):
    model = make(tmp_path, head="QuestionAnswering")
    spans = {"start_positions": torch.tensor([1, 2, 3, 1]), "end_positions": torch.tensor([2, 4, 5, 1])}
    narrowed = narrowing.narrow(model, 24, batches(**spans))
    assert narrowed.qa_outputs.weight.shape == (2, 24)
    assert logits(narrowed).isfinite().all()


def test_heads_and_neurons_can_be_taken_out_and_a_graph_be_written_afterwards(tmp_path):
    narrowed = narrowing.narrow(make(tmp_path / "base"), 16, batches())
    heads, neurons = torch.ones(3, 2), torch.ones(3, 32)
    heads[1, 0] = neurons[:, :8] = 0
    structure.remove(narrowed, structure.Structure(heads, neurons))
    pretrained.save(narrowed, encoder_facts.load_tokenizer(tmp_path / "base"), tmp_path / "model")
    assert pretrained.blocks(pretrained.load_model(tmp_path / "model"))[1].query.weight.shape == (8, 16)
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")  # compares logits


def test_the_basis_keeps_the_largest_singular_values_and_the_mean_of_each_state(tmp_path):
    model = make(tmp_path)
    with torch.inference_mode():
        answers = [(model(**batch, output_hidden_states=True).hidden_states, batch["attention_mask"].bool()) for batch in batches()]
    tokens = torch.cat([state[present] for states, present in answers for state in states]).double().numpy()
    basis = narrowing.principal_components(model, 10, batches()).double().numpy()
    np.testing.assert_allclose(basis.T @ basis, np.eye(10), atol=1e-5)
    np.testing.assert_allclose(
        basis.sum(axis=0), np.full(10, (32 / 10) ** 0.5), rtol=1e-5
    )  # the vector of ones becomes one of equal numbers
    without_mean = tokens - tokens.mean(axis=1, keepdims=True)
    singular = np.linalg.svd(without_mean, compute_uv=False)
    np.testing.assert_allclose(np.square(without_mean @ basis).sum(), np.square(singular[:9]).sum(), rtol=1e-4)


def test_a_norm_gets_the_weights_and_biases_that_made_the_targets():
    norm, expected = nn.LayerNorm(6), nn.LayerNorm(6)
    expected.weight.data, expected.bias.data = torch.arange(1.0, 7), torch.linspace(-1, 1, 6)
    inputs = 3 * torch.randn(2, 50, 6, generator=torch.Generator().manual_seed(0)) + 1
    with torch.no_grad():
        narrowing._fit_norm(norm, ((part, expected(part)) for part in inputs))
    torch.testing.assert_close(norm.weight, expected.weight, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(norm.bias, expected.bias, atol=1e-4, rtol=1e-4)


def test_a_matrix_and_its_bias_are_the_least_squares(monkeypatch):
    monkeypatch.setattr(narrowing, "DAMPING", 0)
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2, 80, 5, generator=generator), torch.randn(2, 80, 3, generator=generator)
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        narrowing._fit_linear(linear, zip(inputs, targets, strict=True))
    expected = LinearRegression().fit(inputs.flatten(0, 1).numpy(), targets.flatten(0, 1).numpy())
    np.testing.assert_allclose(linear.weight.detach(), expected.coef_, atol=1e-5)
    np.testing.assert_allclose(linear.bias.detach(), expected.intercept_, atol=1e-5)


def test_each_layer_keeps_its_most_important_heads_and_neurons(tmp_path):
    narrowed = narrowing._of_width(make(tmp_path), 16)
    heads = torch.tensor([[4.0, 1, 3, 2], [1, 2, 3, 4], [9, 0, 0, 8]])
    neurons = torch.arange(64.0).repeat(3, 1)
    kept = narrowing._most_important(Importance(heads, neurons), narrowed)
    assert [layer.rows.view(2, 8)[:, 0].tolist() for layer in kept] == [[0, 16], [16, 24], [0, 24]]
    assert all(layer.neurons.tolist() == list(range(32, 64)) for layer in kept)


def test_the_pooler_keeps_what_the_head_reads_most(tmp_path):
    model = make(tmp_path)
    model.classifier.weight.data[:, 16:] = 0
    narrowed = narrowing.narrow(model, 16, batches())
    assert torch.equal(narrowed.classifier.weight, model.classifier.weight[:, :16])
    assert torch.equal(narrowed.bert.pooler.dense.bias, model.bert.pooler.dense.bias[:16])
