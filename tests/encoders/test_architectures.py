"""Every technique works on every architecture: layers are found and left out, weights pruned, graphs exported, states matched."""

import json

import pytest
import torch

from conftest import load_tiny, make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.losses import HiddenStateMatcher
from encoder_compression.training.objectives import Distillation

ARCHITECTURES = ("bert", "roberta", "distilbert", "electra", "mpnet", "camembert", "xlm-roberta", "modernbert", "deberta-v2")
LAYERS = 4


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request, tmp_path_factory):
    """A classifier of the architecture with its tokenizer, random throughout and far enough from zero that every part matters."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "encoder", request.param, layers=LAYERS)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    if request.param == "modernbert":  # then a first layer without its own norm computes exactly what it did with it
        torch.nn.init.constant_(model.base_model.embeddings.norm.weight, 0.7)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    return folder / "model"


@pytest.fixture
def model(folder):
    return pretrained.load_model(folder).eval()


def sentences(folder) -> dict:
    return dict(
        encoder_facts.load_tokenizer(folder)(["a warm film", "one of the best stories this year"], padding=True, return_tensors="pt")
    )


def logits(model, batch) -> torch.Tensor:
    with torch.inference_mode():
        return model(**batch).logits


def shapes_of_a_layer(architecture: str) -> list[tuple[int, int]]:
    """Return the shapes of a layer's matrices: one of queries, keys and values, and neurons with gates in ModernBERT."""
    if architecture == "modernbert":
        return [(96, 32), (32, 32), (128, 32), (32, 64)]
    return [(32, 32)] * 4 + [(64, 32), (32, 64)]


def test_all_layers_and_all_their_linears_are_found(model):
    assert len(pretrained.layers(model)) == model.config.num_hidden_layers == LAYERS
    shapes = [tuple(linear.weight.shape) for linear in pretrained.encoder_linears(model).values()]
    assert sorted(shapes) == sorted(shapes_of_a_layer(model.config.model_type) * LAYERS)


def test_nothing_outside_the_layers_is_counted_as_one_of_their_linears(model):
    inside = {id(linear) for layer in pretrained.layers(model) for linear in layer.modules()}
    assert all(id(linear) in inside for linear in pretrained.encoder_linears(model).values())


def passing_on(forward):
    """Return a layer's ``forward`` that gives its input instead, in the form that its own output has."""

    def skipped(*inputs, **more):
        states = inputs[0] if inputs else more.get("hidden_states", more.get("x"))
        given = forward(*inputs, **more)
        return (states, *given[1:]) if isinstance(given, tuple) else states

    return skipped


def test_a_student_computes_what_its_layers_compute(folder, model):
    """The reference is the teacher itself with the other layers switched off, one by one, by its own code."""
    batch = sentences(folder)
    whole = logits(model, batch)
    student, layers = take_layers(model, [2, 4], 2)
    skipped = [layer for index, layer in enumerate(pretrained.layers(model), start=1) if index not in layers]
    for layer in skipped:
        layer.forward = passing_on(layer.forward)
    tolerance = 1e-4 if model.config.model_type == "modernbert" else 1e-5  # a norm of what is normalized already adds its epsilon twice
    torch.testing.assert_close(logits(student, batch), logits(model, batch), atol=tolerance, rtol=0)
    assert not torch.allclose(logits(student, batch), whole, atol=1e-3)


def test_a_student_is_the_same_after_saving_and_loading(folder, model, tmp_path):
    batch = sentences(folder)
    student, _ = take_layers(model, "even", 2)
    pretrained.save(student, encoder_facts.load_tokenizer(folder), tmp_path)
    again = pretrained.load_model(tmp_path).eval()
    assert len(pretrained.layers(again)) == 2
    torch.testing.assert_close(logits(again, batch), logits(student, batch), rtol=0, atol=0)


def test_a_student_sees_the_order_of_words(folder, model):
    """MPNet keeps its relative positions beside the layers, so that they could be lost with them."""
    batch = sentences(folder)
    student, _ = take_layers(model, "even", 2)
    turned = batch["input_ids"].clone()
    turned[1, 1:-1] = turned[1, 1:-1].flip(0)
    assert not torch.allclose(logits(student, batch)[1], logits(student, batch | {"input_ids": turned})[1], atol=1e-3)


def test_the_relative_positions_of_mpnet_reach_the_student_and_its_file(tmp_path):
    model = pretrained.add_head(
        make_encoder(tmp_path / "encoder", "mpnet", layers=LAYERS), "AutoModelForSequenceClassification", {"num_labels": 2}
    )
    student, _ = take_layers(model, "even", 2)
    pretrained.save(student, encoder_facts.load_tokenizer(tmp_path / "encoder"), tmp_path / "student")
    again = pretrained.load_model(tmp_path / "student")
    bias = model.mpnet.encoder.relative_attention_bias.weight
    assert torch.equal(again.mpnet.encoder.relative_attention_bias.weight, bias)


def test_magnitude_pruning_reaches_every_linear_of_every_layer(model):
    linears = pretrained.encoder_linears(model)
    pruning_masks = PruningMasks(linears, scope="layer", factors=dict.fromkeys(linears, torch.ones(1)))
    pruning_masks.raise_to(0.5)
    pruning_masks.make_permanent()
    for linear in pretrained.encoder_linears(model).values():
        assert int((linear.weight == 0).sum()) == linear.weight.numel() // 2


@pytest.mark.parametrize("depth", [LAYERS, 2])
def test_the_graph_of_teacher_and_student_has_pytorchs_logits(folder, model, depth, tmp_path):
    student, _ = take_layers(model, "even" if depth < LAYERS else list(range(1, LAYERS + 1)), depth)
    pretrained.save(student, encoder_facts.load_tokenizer(folder), tmp_path / "model")
    facts = onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    assert facts["largest_logit_difference"] < 1e-5


def test_hidden_states_are_matched_at_the_kept_layers(folder, model):
    student, layers = take_layers(model, "even", 2)
    student.hidden_matcher = HiddenStateMatcher(
        student_width=student.config.hidden_size, teacher_width=model.config.hidden_size, layer_map=layers
    )
    objective = Distillation(weights={"hard": 1, "soft": 1, "hidden": 1, "relation": 0}, temperature=2, teacher=model)
    terms = objective(student, sentences(folder) | {"labels": torch.tensor([0, 1]), "teacher_logits": torch.zeros(2, 2)})
    terms["hidden"].backward()
    assert terms["hidden"] > 0
    for layer in pretrained.layers(student):
        assert all(linear.weight.grad is not None for linear in layer.modules() if isinstance(linear, torch.nn.Linear))


def test_the_config_says_how_deep_a_saved_student_is(folder, model, tmp_path):
    student, _ = take_layers(model, "odd", 2)
    pretrained.save(student, encoder_facts.load_tokenizer(folder), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["n_layers" if config["model_type"] == "distilbert" else "num_hidden_layers"] == 2


def test_a_student_of_modernbert_keeps_of_each_layer_whether_it_is_global_or_local(tmp_path):
    model = pretrained.add_head(make_encoder(tmp_path, "modernbert", layers=5), "AutoModelForSequenceClassification", {"num_labels": 2})
    kinds = ["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
    assert model.config.layer_types == kinds
    student, _ = take_layers(model, [2, 4, 5], 3)
    pretrained.save(student, encoder_facts.load_tokenizer(tmp_path), tmp_path / "student")
    again = pretrained.load_model(tmp_path / "student")
    assert again.config.layer_types == ["sliding_attention", "full_attention", "sliding_attention"]
    assert [layer.attention_type for layer in pretrained.layers(again)] == again.config.layer_types
    assert [layer.attn.sliding_window for layer in pretrained.layers(again)] == [9, None, 9]
    assert model.config.layer_types == kinds


@pytest.mark.parametrize("is_local", [False, True])
def test_a_technique_that_cannot_work_on_an_architecture_is_refused_before_any_job(tmp_path, is_local):
    encoder = {"files": {"folder": str(make_encoder(tmp_path, "mpnet"))}}
    if not is_local:
        encoder = load_tiny().options["encoder"]
        encoder = {"random": encoder["random"] | {"architecture": "mpnet"}}
    with pytest.raises(
        UserError, match=r"^tiny: variants: variant 'teacher\+width40': shrink cannot work on mpnet: the heads of MPNet share"
    ) as error:
        load_tiny(encoder=encoder)
    assert "\n" not in str(error.value)
