"""Distillation in two stages (TinyBERT): hidden states and relations first, then the teacher's answers; and maps of layers."""

import pytest
import torch

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import provenance
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.train import Goal
from short_training import TRAINING
from trained_students import run_distill

OPTIONS = {"keep": 2, "gate": 0, "start": "finetuned", "teacher": "teacher", "temperature": 2, "unlabelled": False, "training": TRAINING}
INNER = {"loss": {"hard": 0, "soft": 0, "hidden": 1, "relation": 1}}
ANSWERS = {"loss": {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0}}


@pytest.fixture(scope="module")
def taught(tmp_path_factory, dataset):
    """A folder with a teacher of four layers, its encoder, its soft targets and the goal of its students."""
    folder = tmp_path_factory.mktemp("taught")
    encoder = make_encoder(folder / "encoder", layers=4)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    predict_soft_targets(teacher=folder / "model", dataset=dataset, output=folder / "soft_targets", name="test")
    return folder, Goal(dataset=dataset, metric="accuracy", seed=1, name="test")


def learn(taught, folder, options: dict, parent=None) -> dict:
    source, goal = taught
    folder.mkdir()
    facts = run_distill(
        teacher=source / "model",
        encoder=source / "encoder",
        goal=goal,
        options=OPTIONS | options,
        folder=folder,
        parent=parent or source / "model",
        soft_targets=source / "soft_targets",
    )
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    return facts


def columns(folder) -> dict[str, str]:
    header, first, *_ = (folder / "training.csv").read_text(encoding="utf-8").splitlines()
    return dict(zip(header.split(","), first.split(","), strict=True))


@pytest.fixture(scope="module")
def stages(taught, tmp_path_factory):
    """The folders of a first stage and of a second one behind it."""
    folder = tmp_path_factory.mktemp("stages")
    first = {"layers": [2, 4]} | INNER | {"training": TRAINING | {"epochs": 2}}
    learn(taught, folder / "first", first)
    learn(taught, folder / "second", {"layers": "first"} | ANSWERS, parent=folder / "first" / "model")
    return folder


def test_the_first_stage_has_the_inner_terms_alone_and_the_second_the_answers(stages):
    first, second = (columns(stages / name) for name in ("first", "second"))
    assert float(first["loss_hidden"]) > 0 and float(first["loss_relation"]) > 0
    assert float(first["loss_hard"]) == 0 and first["loss_soft"] == ""
    assert float(second["loss_soft"]) > 0
    assert second["loss_hidden"] == second["loss_relation"] == ""


def test_the_first_stage_brings_hidden_states_nearer_to_the_teachers(stages, taught):
    start = pretrained.load_model(taught[0] / "model")
    before, after = take_layers(start, [2, 4], 2)[0], pretrained.load_model(stages / "first" / "model")
    ids = torch.tensor([[2, 8, 9, 11, 3]])
    wanted = start.eval()(ids, output_hidden_states=True).hidden_states[4]
    distances = [(model.eval()(ids, output_hidden_states=True).hidden_states[2] - wanted).pow(2).mean() for model in (before, after)]
    assert distances[1] < distances[0]


def test_the_second_stage_begins_with_all_weights_of_the_first(stages, taught, tmp_path):
    untrained = {"layers": "first", "training": TRAINING | {"epochs": 0}} | ANSWERS
    facts = learn(taught, tmp_path / "second", untrained, parent=stages / "first" / "model")
    begun, first = (pretrained.load_model(folder / "model").state_dict() for folder in (tmp_path / "second", stages / "first"))
    assert begun.keys() == first.keys()
    assert all(torch.equal(begun[name], first[name]) for name in first)
    assert facts["layer_map"] == {1: 2, 2: 4}


def test_the_second_stage_trains_them_further(stages):
    first, second = (pretrained.load_model(stages / name / "model").state_dict() for name in ("first", "second"))
    assert not any(torch.equal(first[name], second[name]) for name in first if "query.weight" in name or name == "classifier.weight")


@pytest.mark.parametrize(
    ("rule", "expected"), [("spread", {1: 2, 2: 4}), ("last", {1: 3, 2: 4}), ("first", {1: 1, 2: 2}), ([4, 1], {1: 4, 2: 1})], ids=str
)
def test_layers_are_compared_as_the_map_says(taught, tmp_path, rule, expected):
    """The first logged loss is near that of the start, so it tells which layers were compared."""
    hidden = {
        "layers": [1, 2],
        "training": TRAINING | {"steps": 1, "learning_rate": 1e-9},
        "loss": {"hard": 0, "soft": 0, "hidden": 1, "relation": 0},
    }
    del hidden["training"]["epochs"]
    facts = learn(taught, tmp_path / "student", hidden | {"layer_map": rule})
    plain = learn(taught, tmp_path / "plain", hidden)
    assert facts["layer_map"] == expected
    assert plain["layer_map"] == {1: 1, 2: 2}
    losses = [float(columns(tmp_path / name)["loss_hidden"]) for name in ("student", "plain")]
    assert (losses[0] == pytest.approx(losses[1], rel=1e-6)) == (expected == plain["layer_map"])
