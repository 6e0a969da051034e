"""One model of each architecture through every technique: what it computes before and after is the same, or differs by rounding alone."""

import copy

import numpy as np
import onnx
import pytest
import torch
from sklearn.linear_model import Ridge
from transformers import AutoModelForSequenceClassification

from conftest import load_tiny, make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.errors import UserError
from encoder_compression.export import contents, onnx_graph
from encoder_compression.pruning import structure
from encoder_compression.pruning.correction import DAMPING, correct
from encoder_compression.pruning.gates import gated
from encoder_compression.quantization import graph as graphs
from encoder_compression.quantization.equalization import equalize, scales
from encoder_compression.quantization.fake import FakeQuantization
from encoder_compression.techniques import quantize
from encoder_compression.techniques.lora import add_updates, merge
from encoder_compression.training.objectives import Distillation

DEBERTAS = ("deberta-v2", "deberta-v2 as large as v2")
ROLES = {"query", "key", "value", "attention_output", "expansion", "contraction"}
ROLES_OF = {
    "modernbert": {"query_key_value", "attention_output", "expansion", "contraction"},
    "deberta-v2": ROLES | {"position_query", "position_key"},
}


def make(folder, name: str):
    """Return a classifier of two layers, random throughout; DeBERTa's also with a convolution and with further matrices for positions."""
    architecture = name.split()[0]
    config = encoder_facts.load_config(make_encoder(folder, architecture, heads=4))
    config.num_labels = 2
    if name != architecture:
        config.conv_kernel_size, config.share_att_key = 3, False
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():  # matrices that matter, and norms and biases that differ from those of a fresh model
            weight += torch.randn_like(weight) * (0.3 if weight.dim() > 1 else 0.1)
    return model.eval()


@pytest.fixture(scope="module", params=[*ARCHITECTURES, DEBERTAS[1]])
def made(request, tmp_path_factory):
    """The architecture, a folder with its model and its graph, and a batch with padding."""
    folder = tmp_path_factory.mktemp("contract")
    model = make(folder / "base", request.param)
    pretrained.save(model, encoder_facts.load_tokenizer(folder / "base"), folder / "model")
    onnx_graph.export(model=folder / "model", options={"opset": 18, "tolerance": 1e-4}, output=folder / "onnx")
    ids = torch.randint(7, 60, (4, 40), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1:, 25:] = 0
    return request.param.split()[0], folder, {"input_ids": ids, "attention_mask": mask}


@pytest.fixture
def model(made):
    return pretrained.load_model(made[1] / "model").eval()


def logits(model, batch) -> torch.Tensor:
    with torch.inference_mode():
        return model(**batch).logits


def of_graph(graph, batch) -> np.ndarray:
    return graphs.answer(graphs.session(graph), {name: values.numpy() for name, values in batch.items()})


def assert_near(values, expected, share: float) -> None:
    """Hold the largest difference to a share of the largest value."""
    assert np.abs(np.asarray(values) - np.asarray(expected)).max() <= share * np.abs(np.asarray(expected)).max()


def test_every_matrix_of_the_layers_has_its_role_in_the_graph(made):
    names = list(graphs.products(graphs.read(made[1] / "onnx/model.onnx")))
    wanted = {f"{role}.{layer}" for role in ROLES_OF.get(made[0], ROLES) for layer in (1, 2)}
    assert {name for name in names if not name.startswith("outside")} == wanted
    assert names[-2:] == ["outside.1", "outside.2"]


def test_query_key_and_value_mean_what_makes_them(made):
    names = list(graphs.products(graphs.read(made[1] / "onnx/model.onnx")))
    expected = {"modernbert": ["query_key_value.2"], "deberta-v2": ["query.2", "position_query.2"]}.get(made[0], ["query.2"])
    assert sorted(graphs.select(names, ["query.2"])) == sorted(expected)


def test_equalized_products_answer_as_before(made):
    """With scales that differ from channel to channel, and inputs of each product that no other would have."""
    graph = graphs.read(made[1] / "onnx/model.onnx")
    expected = of_graph(graph, made[2])
    generator, constants = np.random.default_rng(0), graphs.arrays(graph)
    products = graphs.products(graph).values()
    peaks = {node.input[0]: generator.uniform(0.1, 9, constants[node.input[1]].dims[0]).astype(np.float32) for node in products}
    assert scales(next(iter(peaks.values())), np.ones(32)).std() > 0
    equalize(graph, peaks)
    assert_near(of_graph(graph, made[2]), expected, 1e-4)


def test_eight_bits_in_training_are_those_of_the_graph(made, model, tmp_path):
    graph = graphs.read(made[1] / "onnx/model.onnx")
    options = load_tiny().options["quantize"]["int8"] | {"isa": "avx512_vnni"}
    facts = quantize.METHODS["dynamic"](graph, [], options, tmp_path)
    assert facts == {"isa": "avx512_vnni"}
    rounding = FakeQuantization(model, bits=8, block=32)
    rounded, exact = logits(model, made[2]), of_graph(graph, made[2])
    assert_near(of_graph(onnx.load(tmp_path / "model.onnx"), made[2]), rounded, 0.05)
    assert np.abs(rounded - exact).max() > 0
    rounding.take_off()
    torch.testing.assert_close(logits(model, made[2]), torch.from_numpy(exact), atol=1e-4, rtol=1e-4)


def test_each_matrix_is_stored_once_in_four_bits(made, tmp_path):
    graph = graphs.read(made[1] / "onnx/model.onnx")
    kept = graphs.select(graphs.products(graph), ["outside"])
    quantize.METHODS["weights"](graph, kept, {"bits": 4, "block": 16}, tmp_path)
    stored = onnx.load(tmp_path / "model.onnx")
    names = [tensor.name for tensor in stored.graph.initializer]
    assert len(names) == len(set(names))
    whole, small = (contents.describe(folder) for folder in (made[1] / "onnx", tmp_path))
    assert small["matrices"] == whole["matrices"]
    assert np.isfinite(of_graph(stored, made[2])).all()


def test_the_form_of_openvino_answers_as_the_model_does(made, tmp_path):
    from encoder_compression.export import openvino_model

    options = {"opset": 18, "tolerance": 1e-4}
    facts = openvino_model.convert(model=made[1] / "model", graph=made[1] / "onnx", options=options, output=tmp_path)
    assert facts["largest_logit_difference"] < 1e-4


@pytest.mark.parametrize("targets", [["query"], ["value", "output"], "all"], ids=str)
def test_merged_updates_answer_as_those_beside_the_weights(made, model, targets):
    before = logits(model, made[2])
    options = {"rank": 2, "alpha": 4, "dropout": 0.0, "dora": False, "targets": targets}
    adapted = add_updates(model, options)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    merged, difference = merge(adapted, made[2], four_bits=False)
    assert difference < 1e-4 * max(1.0, float(before.abs().max()))
    assert (logits(merged, made[2]) - before).abs().max() > 1e-3


def test_the_states_that_relate_tokens_are_what_the_last_layers_matrices_give(made, model):
    adapter = ARCHITECTURES[made[0]]
    last, entered = pretrained.layers(model)[-1], []
    hook = last.get_submodule(adapter.query).register_forward_pre_hook(lambda module, inputs: entered.insert(len(entered), inputs[0]))
    with torch.no_grad(), pretrained.queries_keys_values(model) as states:
        model(**made[2])
    hook.remove()
    matrices = [last.get_submodule(path) for path in dict.fromkeys((adapter.query, adapter.key, adapter.value))]
    weight = torch.cat([matrix.weight for matrix in matrices])
    expected = (entered[0] @ weight.T).split(32, dim=-1)
    biases = [matrix.bias if matrix.bias is not None else torch.zeros(len(matrix.weight)) for matrix in matrices]
    for state, product, bias in zip(states, expected, torch.cat(biases).split(32), strict=True):
        torch.testing.assert_close(state, product + bias, atol=1e-5, rtol=1e-4)


def test_a_teacher_is_at_no_distance_from_itself(made, model):
    objective = Distillation(weights={"hard": 0, "soft": 1, "hidden": 0, "relation": 1}, temperature=2, teacher=copy.deepcopy(model))
    terms = objective(model, made[2] | {"labels": torch.tensor([0, 1, 0, 1])})
    assert abs(float(terms["soft"])) < 1e-6 and abs(float(terms["relation"])) < 1e-6


def cuttable(model) -> bool:
    return "shrink" not in pretrained.architecture(model).refused


def some_gone() -> structure.Structure:
    """A structure that lacks a head of the first layer, two of the second, and the same number of neurons of both, others in each."""
    heads, neurons = torch.ones(2, 4), torch.ones(2, 64)
    heads[0, 1] = heads[1, 0] = heads[1, 2] = 0
    neurons[0, :24] = neurons[1, 40:] = 0
    return structure.Structure(heads, neurons)


def test_heads_and_neurons_that_are_gone_count_as_closed_gates(made, model, tmp_path):
    if not cuttable(model):
        with pytest.raises(UserError, match=f"shrink cannot work on {made[0]}: "):
            structure.remove(model, some_gone())
        return
    with gated(model, some_gone().heads, some_gone().neurons):
        expected = logits(model, made[2])
    structure.remove(model, some_gone())
    torch.testing.assert_close(logits(model, made[2]), expected, atol=1e-4, rtol=0)
    pretrained.save(model, encoder_facts.load_tokenizer(made[1] / "model"), tmp_path / "model")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    torch.testing.assert_close(logits(plain, made[2]), expected, atol=1e-4, rtol=0)
    again = pretrained.load_model(tmp_path / "model").eval()
    torch.testing.assert_close(logits(again, made[2]), expected, atol=1e-4, rtol=0)
    assert pretrained.count_zeros(again, ["encoder"]) == pretrained.count_zeros(model, ["encoder"])
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    assert (
        graphs.products(graphs.read(tmp_path / "onnx/model.onnx")).keys()
        == graphs.products(graphs.read(made[1] / "onnx/model.onnx")).keys()
    )


def test_least_squares_of_the_last_layer_see_what_reaches_it(made, model):
    """The reference is lstsq on what a forward pass of the whole model gives to the last layer's neurons."""
    if not cuttable(model):
        return
    heads, neurons = torch.ones(2, 4), torch.ones(2, 64)
    neurons[1, 20:] = 0
    linear, kept, entered = pretrained.blocks(model)[1].contraction, neurons[1].bool(), []
    before = copy.deepcopy(linear)
    hook = linear.register_forward_pre_hook(lambda module, inputs: entered.append(inputs[0][made[2]["attention_mask"].bool()]))
    logits(model, made[2])
    hook.remove()
    tokens = entered[0].double().numpy()
    fit = Ridge(alpha=1, fit_intercept=linear.bias is not None, solver="cholesky")
    spread = tokens.var(axis=0) if linear.bias is not None else np.square(tokens).mean(axis=0)
    fit.alpha = DAMPING * spread.mean() * len(tokens)
    fit.fit(tokens[:, kept.numpy()], tokens[:, ~kept.numpy()] @ before.weight.detach().double().numpy()[:, ~kept.numpy()].T)
    correct(model, structure.Structure(heads, neurons), [made[2]])
    np.testing.assert_allclose((linear.weight - before.weight).detach()[:, kept], fit.coef_, atol=2e-3)


def test_the_graph_for_spans_answers_at_tokens_as_the_model_does(made, tmp_path):
    model = pretrained.with_new_head(made[1] / "base", "AutoModelForQuestionAnswering", {})
    pretrained.save(model, encoder_facts.load_tokenizer(made[1] / "base"), tmp_path / "model")
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")


def test_a_language_model_answers_at_masked_tokens_alone_and_its_graph_stores_the_embeddings_once(made, tmp_path):
    model = pretrained.add_head(made[1] / "base", "AutoModelForMaskedLM", {}).eval()
    chosen = torch.zeros_like(made[2]["input_ids"], dtype=torch.bool)
    chosen[0, 3] = chosen[2, 20] = True
    whole = logits(model, made[2])
    with pretrained.head_at(model, chosen):
        torch.testing.assert_close(logits(model, made[2])[0], whole[chosen], atol=1e-5, rtol=1e-4)
    pretrained.save(model, encoder_facts.load_tokenizer(made[1] / "base"), tmp_path / "model")
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    table = (model.config.vocab_size, 32)
    shapes = [tuple(tensor.dims) for tensor in onnx.load(tmp_path / "onnx/model.onnx").graph.initializer]
    assert shapes.count(table) + shapes.count(table[::-1]) == 1
