"""Recipes of distillation are checked before anything runs: maps of layers, averages, temperatures, and stages with their controls."""

import pytest

from encoder_compression.study.controls import control_of, control_options
from encoder_compression.study.descriptions import distill as describe
from encoder_compression.study.nested import merge
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES
from own_experiments import TINY, load, mistakes

EVEN1 = TINY["distill"]["even1"]


def with_student(**changes) -> dict:
    return merge(TINY, {"distill": {"even1": changes}})


def student_of(tmp_path, **changes) -> dict:
    return load(tmp_path, with_student(**changes))["distill"]["even1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_map": "sprad"}, "distill.even1.layer_map: unknown value 'sprad'; did you mean 'spread'?"),
        ({"layer_map": [0]}, "distill.even1.layer_map.0: 0 is less than the minimum of 1"),
        ({"layer_map": [2], "loss": {"hidden": 0}}, "distill.even1: 'layer_map' says which hidden states are compared; give 'hidden'"),
        ({"layer_map": [3]}, "'even1': layer_map [3] does not fit a teacher of 2 layers; name layers from 1 to 2"),
        ({"layer_map": [1, 2]}, "'even1': layer_map [1, 2] has 2 of the teacher's layers for 1 of the student's; name one for each"),
        ({"temperature": {"from": 8}}, "distill.even1.temperature: the key 'to' is missing; add it"),
        ({"temperature": {"from": 8, "to": 0}}, "distill.even1.temperature.to: 0 is less than or equal to the minimum of 0"),
        ({"temperature": {"from": 8, "too": 1}}, "distill.even1.temperature: unknown key 'too'; did you mean 'to'?"),
        ({"training": {"weights": {"last": 1}}}, "distill.even1.training.weights.last: 1 is less than the minimum of 2"),
        ({"training": {"weights": {"ema": 1}}}, "distill.even1.training.weights.ema: 1 is greater than or equal to the maximum of 1"),
        ({"training": {"weights": {"ema": 0.9, "last": 2}}}, "distill.even1.training.weights: give exactly one of: last, ema"),
        ({"training": {"weights": "bets"}}, "distill.even1.training.weights: unknown value 'bets'; did you mean 'best'?"),
    ],
)
def test_a_recipe_that_cannot_work_is_one_line(tmp_path, changes, message):
    assert any(message in line for line in mistakes(tmp_path, with_student(**changes)))


def test_a_map_is_checked_against_the_teacher_that_the_step_names(tmp_path):
    """A student of four layers teaches one of two: the first teacher's six layers are of no matter."""
    four = merge(EVEN1, {"layers": "first", "keep": 4})
    two = merge(EVEN1, {"keep": 2, "teacher": "four", "layer_map": [2, 5]})
    encoder = {"random": TINY["encoder"]["random"] | {"layers": 6}}
    experiment = TINY | {
        "runtimes": {},
        "compare": [],
        "encoder": encoder,
        "distill": {"four": four, "two": two},
        "variants": ["teacher+four+two"],
    }
    assert "layer_map [2, 5] does not fit a teacher of 4 layers" in mistakes(tmp_path, experiment)[0]
    two["layer_map"] = [2, 4]
    assert load(tmp_path, experiment)["distill"]["two"]["layer_map"] == [2, 4]


def test_maps_and_temperatures_can_be_searched(tmp_path):
    space = {"layer_map": {"choices": ["spread", [1]]}, "temperature": {"low": 1, "high": 8}}
    search = {"search": {"even1": {"parent": "teacher", "space": space}}}
    assert load(tmp_path, TINY | search)["search"]["even1"]["space"]["layer_map"]["choices"] == ["spread", [1]]
    space["layer_map"]["choices"] = [[1], [3]]
    assert "layer_map [3] does not fit a teacher of 2 layers" in mistakes(tmp_path, TINY | search)[0]
    space["layer_map"]["choices"] = [[1], "lats"]
    assert "search.even1.space: layer_map: distill.even1.layer_map: unknown value 'lats'" in mistakes(tmp_path, TINY | search)[0]


def test_options_of_before_stay_as_they_are(tmp_path):
    """So an upgrade makes no artifact anew whose recipe is the same."""
    options = student_of(tmp_path)
    assert options["temperature"] == 2
    assert "weights" not in options["training"] and "layer_map" not in options


def test_one_average_replaces_another_one(tmp_path):
    assert merge({"weights": {"last": 3}}, {"weights": {"ema": 0.9}}) == {"weights": {"ema": 0.9}}
    assert student_of(tmp_path, training={"weights": "best"})["training"]["weights"] == "best"


def two_stages(tmp_path, **second) -> Study:
    inner = merge(EVEN1, {"unlabelled": False, "loss": {"hard": 0, "soft": 0, "hidden": 1, "relation": 1}})
    answers = merge(EVEN1, {"unlabelled": False, "layers": "first", "loss": {"hidden": 0}} | second)
    steps = {"distill": {"inner": inner, "answers": answers}, "variants": ["teacher", "teacher+inner+answers"], "compare": []}
    return Study("mine", load(tmp_path, TINY | steps | {"runtimes": {}}))


def test_the_control_of_two_stages_has_the_training_of_both_without_a_teacher(tmp_path):
    study = two_stages(tmp_path)
    assert control_of("teacher+inner+answers", study.options) == "teacher+inner-control+answers-control"
    assert control_of("teacher+inner", study.options) == "teacher+inner-control"
    assert [variant for variant in study.options["variants"] if "control" in variant] == ["teacher+inner-control+answers-control"]
    for step in ("inner-control", "answers-control"):
        assert study.options["distill"][step]["loss"] == {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}
    assert study.teacher("teacher+inner-control+answers-control") == "teacher"


def test_the_second_stage_has_the_first_as_its_parent_and_no_soft_targets_are_made_for_the_first(tmp_path):
    study = two_stages(tmp_path)
    row = next(row for row in study.table_rows() if row["variant"] == "teacher+inner+answers")
    assert list(row["chain"].values()) == ["finetune", "distill", "distill"]
    assert row["control"] == "teacher+inner-control+answers-control"
    assert study.soft_targets_form("teacher+inner") is None
    assert study.soft_targets_form("teacher+inner+answers") == "soft_targets"


def test_a_student_that_teaches_the_next_stays_in_its_control(tmp_path):
    """A teacher assistant (Mirzadeh et al. 2020) is what the second step learns from, and its control is without that alone."""
    assert control_of("teacher+inner+answers", two_stages(tmp_path, teacher="inner").options) == "teacher+inner+answers-control"


def test_a_control_has_no_map_of_layers(tmp_path):
    options = student_of(tmp_path, layer_map=[1])
    assert "layer_map" not in control_options(TECHNIQUES["distill"], options)


def test_model_cards_name_averages(tmp_path):
    described = {
        str(weights): describe(student_of(tmp_path, training={"weights": weights}), corpus=False)
        for weights in ("best", {"last": 3}, {"ema": 0.99})
    }
    assert "for at most 1 epoch on the labels" in described["best"]
    assert "for at most 1 epoch with the mean weights of 3 epochs on" in described[str({"last": 3})]
    assert "for at most 1 epoch with an exponential moving average of the weights (decay 0.99) on" in described[str({"ema": 0.99})]
