"""Defaults are filled in alike, whatever the order of keys in an experiment's file or in the schema."""

import random
import shutil

import pytest
import yaml

from conftest import ROOT
from encoder_compression.config.load import load_experiments
from encoder_compression.config.overrides import NOTHING
from own_experiments import TINY, load, load_options

SCHEMAS = ROOT / "workflow" / "schemas"
RANDOM = {"random": {"architecture": "bert", "vocabulary_from": "tests/data/tiny.csv"}}
SHORT = {
    "encoder": {"random": RANDOM["random"] | {"positions": 512}},
    "dataset": {"files": {"train": "tests/data/tiny.csv"}},
    "finetune": {"teacher": {"training": {"learning_rate": 1.0e-3}}, "longer": {"training": {"steps": 7}}},
    "lora": {"small": {"loss": {"soft": 0.5}}},
    "distill": {"half": {"layers": "even", "keep": 1, "loss": {"hidden": 1}, "control": False}},
    "variants": ["teacher", "teacher+half"],
}
# task -> metric, max_length, columns and further keys of the data set that are filled in
OF_TASK = {
    None: ("accuracy", 128, {"text": "text", "label": "label"}, {}),
    "classification": ("accuracy", 128, {"text": "text", "label": "label"}, {}),
    "regression": ("pearson", 128, {"text": "text", "label": "label"}, {}),
    "question-answering": (
        "f1",
        384,
        {"id": "id", "question": "question", "context": "context", "answers": "answers", "group": "title"},
        {"stride": 128},
    ),
    "masked-language-modelling": ("masked_accuracy", 128, {"text": "text"}, {"masking": {"share": 0.15, "whole_words": False}}),
}


def shuffled(value, generator: random.Random):
    """Return a value with the keys of every mapping in it in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], generator) for key in generator.sample(list(value), len(value))}
    return [shuffled(item, generator) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("task", OF_TASK)
@pytest.mark.parametrize("position", ["first", "last"])
def test_a_task_brings_its_defaults_wherever_it_stands_and_where_it_is_absent(tmp_path, task, position):
    said = {"task": task} if task else {}
    options = load(tmp_path, said | SHORT if position == "first" else SHORT | said)
    metric, length, columns, further = OF_TASK[task]
    assert (options["task"], options["metric"]) == (task or "classification", metric)
    assert (options["dataset"]["max_length"], options["dataset"]["columns"]) == (length, columns)
    assert {key: options["dataset"][key] for key in ("stride", "masking") if key in options["dataset"]} == further


@pytest.mark.parametrize("seed", range(5))
def test_no_order_of_keys_at_any_depth_changes_the_options(tmp_path, seed):
    experiment = shuffled(TINY | {"task": "classification"}, random.Random(seed))
    assert list(experiment) != list(TINY)
    assert repr(load(tmp_path, experiment)) == repr(load(tmp_path, TINY))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("task", OF_TASK)
def test_no_order_of_keys_in_the_schema_changes_the_options(tmp_path, task, seed):
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    schema = yaml.safe_load((SCHEMAS / "experiment.schema.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(shuffled(schema, random.Random(seed)), sort_keys=False)
    (tmp_path / "schemas/experiment.schema.yaml").write_text(text, encoding="utf-8")
    options = load(tmp_path, SHORT | ({"task": task} if task else {}))
    again = load_experiments(
        given=NOTHING,
        shared={"experiments": ["mine"], "quantize": {"int8": {}}},
        config_folder=tmp_path,
        schema_folder=tmp_path / "schemas",
    )
    assert repr(again["mine"]) == repr(options)


def test_nested_defaults_are_filled_in_where_a_part_is_given(tmp_path):
    options = load(tmp_path, SHORT)
    assert options["lora"]["small"]["loss"] == {"hard": 1, "soft": 0.5, "hidden": 0, "relation": 0}
    assert options["distill"]["half"]["loss"] == {"hard": 0.1, "soft": 0.9, "hidden": 1, "relation": 0}
    lengths = [{key: training[key] for key in ("epochs", "steps") if key in training} for training in trainings(options)]
    assert lengths == [{"steps": 7}, {"epochs": 3}]
    assert options["measure"]["grid"] == {"batch_sizes": [1, 8, 32], "lengths": [32, 128, 384], "calls": 3}


def trainings(options: dict) -> list[dict]:
    return [options["finetune"][step]["training"] for step in ("longer", "teacher")]


def test_what_an_alias_repeats_is_filled_in_for_each_place_alone(tmp_path):
    """A temperature is a number and a count of layers a whole one: the range that both take becomes floats for the first alone."""
    text = (
        yaml.safe_dump(TINY, sort_keys=False)
        + "search: {even1: {parent: teacher, space: {temperature: &range {low: 1, high: 2}, keep: *range}}}\n"
    )
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/other.yaml").write_text(text, encoding="utf-8")
    space = load_options(tmp_path, ["other"])["other"]["search"]["even1"]["space"]
    assert [type(space[name]["low"]) for name in ("temperature", "keep")] == [float, int]
