"""An average of models is one model with the mean of their weights, and its cost is that of all of them."""

import re

import pytest
from safetensors.numpy import load_file

from conftest import load_tiny
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.techniques.average import average
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal

SOUP = {"average": {"soup": {"with": ["warm"]}}}


@pytest.fixture
def goal(dataset):
    return Goal(dataset=dataset, metric="accuracy", seed=1, name="test")


@pytest.fixture
def folder(tmp_path, encoder, goal):
    """A folder with three models of one encoder, whose heads differ."""
    for seed, name in enumerate(("one", "two", "three")):
        model = new_model(encoder, Goal(dataset=goal.dataset, metric="accuracy", seed=seed, name=name))
        save(model, encoder, tmp_path / name)
    return tmp_path


def save(model, encoder, folder):
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder)
    provenance.write(folder, facts={"layer_map": {"1": 2}}, options={}, inputs={}, seconds=0)


def stir(folder, goal, *others: str) -> dict:
    return average(
        parent=folder / "one", others=[folder / name for name in others], goal=goal, model=folder / "soup", curve=folder / "soup.csv"
    )


def test_every_weight_is_the_mean_of_those_of_the_models(folder, goal):
    facts = stir(folder, goal, "two", "three")
    soup, *parts = (load_file(folder / name / "model.safetensors") for name in ("soup", "one", "two", "three"))
    for name, weight in soup.items():
        assert weight == pytest.approx(sum(part[name] for part in parts) / 3, abs=1e-7)
    assert (soup["classifier.weight"] != parts[0]["classifier.weight"]).any()
    assert list(facts["validation_score_by_model"]) == [str(folder / name) for name in ("one", "two", "three")]
    assert facts["steps"] == 0
    assert facts["layer_map"] == {"1": 2}


def test_models_of_other_shapes_have_no_mean(folder, goal, encoder):
    shallow, _ = take_layers(pretrained.load_model(folder / "two"), [1], 1)
    save(shallow, encoder, folder / "shallow")
    with pytest.raises(UserError, match="shallow has other layers, heads or sizes than .*one, so their weights have no mean"):
        stir(folder, goal, "shallow")


def test_models_of_another_vocabulary_have_no_mean(folder, goal, encoder, tmp_path):
    tokenizer = encoder_facts.load_tokenizer(encoder)
    pretrained.save(pretrained.load_model(folder / "two"), tokenizer, folder / "foreign")
    words = (folder / "foreign/tokenizer.json").read_text(encoding="utf-8")
    (folder / "foreign/tokenizer.json").write_text(words.replace('"film"', '"movie"').replace('"a"', '"film"'), encoding="utf-8")
    with pytest.raises(UserError, match="foreign has another vocabulary than .*one"):
        stir(folder, goal, "foreign")


def study(tiny, **changes):
    warm = {"warm": tiny.options["finetune"]["teacher"]}
    return load_tiny(**SOUP | {"finetune": tiny.options["finetune"] | warm, "variants": ["teacher", "teacher+soup"]} | changes)


def test_a_row_counts_the_training_of_all_that_it_is_made_of(tiny):
    (row,) = [row for row in study(tiny, compare=[]).table_rows() if row["variant"] == "teacher+soup" and row["device"] == "cpu-pytorch"]
    assert [folder.split("/")[2] for folder in row["trained"]] == ["teacher", "warm", "teacher+soup"]


def test_an_average_can_be_a_teacher(tiny):
    distill = {"even1": tiny.options["distill"]["even1"] | {"teacher": "soup"}}
    assert study(tiny, distill=distill, compare=[]).teacher("teacher+soup+even1") == "teacher+soup"


@pytest.mark.parametrize(
    ("others", "chain", "message"),
    [
        (["wram"], "teacher+soup", "unknown step 'wram'; did you mean 'warm'?"),
        (["teacher"], "teacher+soup", "'soup' averages 'teacher' with itself; name others under 'with'"),
        (["teacher+even1"], "teacher+soup", "'soup' averages 2 layers of 'teacher' with 1 of 'teacher+even1'; name models of one shape"),
        (["warm+int8"], "teacher+soup", "'soup' averages with 'warm+int8', which must have weights of its own"),
        (["warm+soup"], "teacher+soup", "'soup' averages with 'warm+soup', which must have weights of its own"),
        (["warm"], "teacher+magnitude60+soup", "'soup' would fill the zeros of 'magnitude60'; put it first, then prune"),
    ],
)
def test_what_cannot_be_averaged_is_told_before_anything_runs(tiny, others, chain, message):
    with pytest.raises(UserError, match=re.escape(message)):
        study(tiny, average={"soup": {"with": others}}, compare=[]).check(chain)


def test_models_without_different_heads_have_no_mean(folder, goal, encoder):
    for name, head in (("left", 0), ("right", 1)):
        model = pretrained.load_model(folder / "two")
        pretrained.remove_heads(model, {1: [head]})
        save(model, encoder, folder / name)
    with pytest.raises(UserError, match="left has other layers, heads or sizes than .*right, so their weights have no mean"):
        average(parent=folder / "right", others=[folder / "left"], goal=goal, model=folder / "soup", curve=folder / "soup.csv")
