"""Heads and neurons are physically gone, the rest computes what it computed with them masked, and loads anywhere."""

import json
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.pruning import gates, structure
from encoder_compression.pruning.budget import of_multiplications
from encoder_compression.pruning.correction import DAMPING, correct
from encoder_compression.pruning.gates import Importance
from encoder_compression.pruning.structure import Structure
from encoder_compression.techniques.shrink import shrink
from encoder_compression.training import processes
from encoder_compression.training.train import Goal

SHAPE = {"layers": 3, "heads": 4, "intermediate_size": 64}
ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "xlm-roberta", "camembert", "modernbert", "deberta-v2"]


def make(folder, architecture):
    encoder = make_encoder(folder, architecture, **SHAPE)
    return pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2}).eval()


def batches(count: int = 8) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (count, 4, 12), generator=generator)
    labels = torch.randint(0, 2, (count, 4), generator=generator)
    attention_mask = torch.ones_like(ids)
    attention_mask[:, 1:, 8:] = 0
    return [{"input_ids": ids[i], "attention_mask": attention_mask[i], "labels": labels[i]} for i in range(count)]


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(**{name: tensor for name, tensor in batches(1)[0].items() if name != "labels"}).logits


def choose(importance: Importance, share: float, *, hidden_size: int, gated: bool = False) -> Structure:
    (layers, heads), (_, neurons) = importance.heads.shape, importance.neurons.shape
    return structure.choose(
        importance, of_multiplications(share, layers=layers, heads=heads, neurons=neurons, hidden_size=hidden_size, gated=gated)
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_rewritten_model_computes_what_the_masked_one_does(tmp_path, architecture):
    model = make(tmp_path, architecture)
    chosen = choose(gates.importance(model, batches(), "fisher"), 0.4, hidden_size=32, gated=architecture == "modernbert")
    with gates.gated(model, chosen.heads, chosen.neurons):
        masked = logits(model)
    before = pretrained.count_zeros(model, ["encoder"])["weights"]
    structure.remove(model, chosen)
    torch.testing.assert_close(logits(model), masked, atol=1e-5, rtol=0)
    share = 1 - pretrained.count_zeros(model, ["encoder"])["weights"] / before
    assert share == pytest.approx(0.4, abs=0.051)  # eight neurons of each layer, with their gates in ModernBERT, are 0.075


def test_it_loads_in_a_process_that_knows_nothing_of_this_project(tmp_path):
    ids, expected = batches(1)[0]["input_ids"], {}
    for architecture in ARCHITECTURES:
        model = make(tmp_path / "base" / architecture, architecture)
        structure.remove(model, choose(gates.importance(model, batches(), "taylor"), 0.5, hidden_size=32))
        pretrained.save(model, encoder_facts.load_tokenizer(tmp_path / "base" / architecture), tmp_path / architecture)
        with torch.inference_mode():
            expected[architecture] = model(ids).logits
    code = f"""
import json, sys, torch
from transformers import AutoModelForSequenceClassification
found = {{}}
for architecture in {ARCHITECTURES}:
    model, report = AutoModelForSequenceClassification.from_pretrained(architecture, output_loading_info=True)
    assert not any(report.values()), report
    with torch.inference_mode():
        found[architecture] = model.eval()(torch.tensor({ids.tolist()})).logits.tolist()
assert not any(name.startswith("encoder_compression") for name in sys.modules)
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for architecture, found in json.loads(done.stdout).items():
        torch.testing.assert_close(torch.tensor(found), expected[architecture])


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "modernbert", "deberta-v2"])
def test_its_graph_computes_the_same(tmp_path, architecture):
    model = make(tmp_path / "base", architecture)
    structure.remove(model, choose(gates.importance(model, batches(), "fisher"), 0.3, hidden_size=32))
    pretrained.save(model, encoder_facts.load_tokenizer(tmp_path / "base"), tmp_path / "model")
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")


def test_mpnet_is_refused_before_anything_is_cut(tmp_path):
    model = make(tmp_path, "mpnet")
    with pytest.raises(UserError, match="shrink cannot work on mpnet: the heads of MPNet share a matrix"):
        structure.remove(model, choose(gates.importance(model, batches(), "fisher"), 0.3, hidden_size=32))


def test_the_least_important_go_and_every_layer_keeps_a_head():
    heads = torch.tensor([[9.0, 8.0, 7.0, 6.0], [0.1, 0.2, 0.3, 0.4], [5.0, 5.0, 5.0, 5.0]])
    neurons = torch.arange(192.0).reshape(3, 64) + 1000
    chosen = choose(Importance(heads, neurons), 0.125, hidden_size=32)
    assert chosen.heads.tolist() == [[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]]
    assert chosen.neurons.all()
    cheap = choose(Importance(heads, (neurons - 1000) / 1e6), 0.125, hidden_size=32)
    assert cheap.heads.all() and (cheap.neurons.sum(dim=1) == 64 - 16).all()
    assert cheap.neurons[1].nonzero().flatten().tolist() == list(range(16, 64))


@pytest.mark.parametrize(("gated", "matrices"), [(False, 2), (True, 3)])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_the_asked_share_of_multiplications_goes(share, gated, matrices):
    generator = torch.Generator().manual_seed(1)
    importance = Importance(torch.rand(6, 12, generator=generator), torch.rand(6, 1536, generator=generator))
    chosen = choose(importance, share, hidden_size=384, gated=gated)
    cost = 4 * 384 * 32 * (1 - chosen.heads).sum() + matrices * 384 * (1 - chosen.neurons).sum()
    assert cost / (6 * (4 * 384**2 + matrices * 384 * 1536)) == pytest.approx(share, abs=0.005)


def test_importance_is_the_gradient_at_the_gate(tmp_path):
    model = make(tmp_path, "bert")
    found = gates.importance(model, batches(1), "taylor")
    heads, neurons = gates.open_gates(model)
    for gate, value in ((heads, found.heads), (neurons, found.neurons)):
        losses = []
        for moved in (1.02, 0.98):
            gate[1, 2] = moved
            with gates.gated(model, heads.double(), neurons.double()):
                losses.append(model.double()(**batches(1)[0]).loss.item())
            gate[1, 2] = 1
        assert abs(losses[0] - losses[1]) / 0.04 == pytest.approx(value[1, 2].item(), rel=0.02, abs=1e-7)
        model.float()


def test_least_squares_bring_the_kept_weights_nearer_to_what_all_gave(tmp_path):
    model = make(tmp_path, "bert")
    whole = logits(model)
    chosen = choose(gates.importance(model, batches(), "fisher"), 0.4, hidden_size=32)
    with gates.gated(model, chosen.heads, chosen.neurons):
        masked = logits(model)
    correct(model, chosen, batches())
    structure.remove(model, chosen)
    assert (logits(model) - whole).norm() < 0.7 * (masked - whole).norm()


def test_the_fit_is_a_ridge_regression_with_an_intercept(tmp_path):
    model = make(tmp_path, "bert")
    heads, neurons = torch.ones(3, 4), torch.ones(3, 64)
    neurons[0, 10:] = 0
    linear, kept = pretrained.blocks(model)[0].contraction, neurons[0].bool()
    linear_before, inputs = deepcopy(linear), []
    hook = linear.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    given = batches()
    with torch.no_grad():
        for batch in given:
            model(**batch)
    hook.remove()
    tokens = torch.cat([states[batch["attention_mask"].bool()] for states, batch in zip(inputs, given, strict=True)]).double().numpy()
    gone = tokens[:, ~kept] @ linear_before.weight.detach()[:, ~kept].T.double().numpy()
    reference = Ridge(alpha=DAMPING * tokens.var(axis=0).mean() * len(tokens), solver="cholesky").fit(tokens[:, kept], gone)
    correct(model, Structure(heads, neurons), given)
    np.testing.assert_allclose((linear.weight - linear_before.weight).detach()[:, kept], reference.coef_, atol=1e-4)
    np.testing.assert_allclose((linear.bias - linear_before.bias).detach(), reference.intercept_, atol=1e-4)


def test_a_share_that_cannot_go_is_answered_with_the_largest_that_can():
    importance = Importance(torch.ones(3, 4), torch.ones(3, 64))
    with pytest.raises(UserError, match="^remove: 0.9 of the multiplications cannot go; at most 0.81 can, so lower it$"):
        choose(importance, 0.9, hidden_size=32)
    choose(importance, 0.81, hidden_size=32)


def run_step(folder, encoder, dataset, *, epochs: int, amount: dict, times=None) -> dict:
    parent = folder / "parent"
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), parent)
    (parent / "provenance.json").write_text(json.dumps({"facts": {"validation_score": 1.0}}), encoding="utf-8")
    training = {"epochs": epochs, "learning_rate": 1e-3, "batch_size": 8, "accumulation": 1, "warmup": 0.1, "weight_decay": 0.01}
    return shrink(
        parent=parent,
        teacher=parent,
        soft_targets=None,
        times=times,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options={"score": "fisher", "calibration": 16, "correct": True, "gate": 0, "temperature": 2.0}
        | {"loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}, "training": training | {"patience": 2, "precision": "bfloat16"}}
        | amount,
        model=folder / "model",
        curve=folder / "training.csv",
    )


@pytest.mark.parametrize("epochs", [0, 1])
def test_the_step_writes_a_smaller_model_and_says_what_it_kept(tmp_path, encoder, dataset, epochs):
    facts = run_step(tmp_path, encoder, dataset, epochs=epochs, amount={"remove": 0.4})
    model = pretrained.load_model(tmp_path / "model")
    assert facts["removed_share"] == pytest.approx(0.4, abs=0.05)
    assert facts["kept"]["neurons"] == [model.config.intermediate_size] * 2
    assert sum(len(heads) for heads in model.config.removed_heads.values()) == 4 - sum(facts["kept"]["heads"])
    assert (facts["steps"] > 0) == (epochs > 0)


def test_a_step_with_a_target_takes_out_what_its_table_of_times_demands(tmp_path, encoder, dataset):
    table = {"layers": 2, "whole_ms": 8, "heads": [{"kept": 2, "ms": 8}, {"kept": 1, "ms": 8}]}
    table |= {"neurons": [{"kept": 64, "ms": 8}, {"kept": 8, "ms": 1}]}  # a millisecond for eight neurons in both layers, none for heads
    (tmp_path / "times.json").write_text(json.dumps(table), encoding="utf-8")
    target = {"target": {"speedup": 1.5, "device": "here"}}
    facts = run_step(tmp_path, encoder, dataset, epochs=0, amount=target, times=tmp_path / "times.json")
    assert facts["kept"] == {"heads": [2, 2], "neurons": [40, 40]}
    assert facts["predicted_speedup"] == pytest.approx(8 / 5)


def test_the_first_process_chooses_the_structure_for_all(tmp_path, encoder, dataset, monkeypatch):
    """Another process waits for it and computes no importance, which on unlike machines need not be the same."""
    memory = tmp_path / "checkpoints" / "structure.json"
    heads, neurons = [[0.0, 1.0], [1.0, 1.0]], [[1.0] * 24 + [0.0] * 40] * 2

    def first_process_is_done() -> None:
        if memory.parent.exists() and not memory.exists():
            memory.write_text(json.dumps([heads, neurons]), encoding="utf-8")

    memory.parent.mkdir()
    monkeypatch.setattr(processes, "rank", lambda: 1)
    monkeypatch.setattr(processes, "wait", first_process_is_done)
    facts = run_step(tmp_path, encoder, dataset, epochs=0, amount={"remove": 0.4})
    assert facts["kept"] == {"heads": [1, 2], "neurons": [24, 24]}
