"""Where a lora step may stand in a chain, what it then has for a teacher and a control, and which artifacts are its own."""

import re

import pytest

from conftest import load_tiny
from encoder_compression.errors import UserError
from encoder_compression.study.controls import control_of, control_options
from encoder_compression.study.techniques import TECHNIQUES
from own_experiments import TINY, load_options


@pytest.fixture(scope="module")
def options(tiny):
    return tiny.options["lora"]["lora4"]


def with_steps(options, **steps):
    return load_tiny(lora={name: options | changes for name, changes in steps.items()})


TAUGHT = {"loss": {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0}}


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("teacher+magnitude60+lora4", "'lora4' would fill the zeros of 'magnitude60'; put it first, then prune"),
        ("teacher+int8+lora4", "'lora4' needs weights, but follows the quantized step 'int8'"),
        ("taught", "'taught' learns from a teacher, but comes first; put it after one, or take 'loss' out"),
        ("lora4+taught", "the teacher of 'taught' is 'teacher', which does not come before it"),
        ("teacher+fresh", "'fresh' starts from the pretrained encoder and learns from labels alone, so nothing of 'teacher' is left;"),
        ("teacher+even1+fresh", "'fresh' starts from the pretrained encoder and would lose 'even1'; take 'start' out"),
    ],
)
def test_an_impossible_place_says_why(options, variant, message):
    study = with_steps(options, lora4={}, taught=TAUGHT, fresh={"start": "pretrained"})
    with pytest.raises(UserError, match=re.escape(message)):
        study.check(variant)


def test_a_step_stands_first_or_on_any_model_with_whole_weights(options):
    study = with_steps(options, lora4={}, taught=TAUGHT, fresh=TAUGHT | {"start": "pretrained"})
    for variant in (
        "lora4",
        "lora4+int8",
        "teacher+lora4+magnitude60",
        "teacher+even1+width40+lora4",
        "teacher+taught",
        "teacher+fresh+int8",
    ):
        study.check(variant)
    assert not study.is_taught("teacher+lora4")
    assert study.teacher("teacher+even1+taught") == "teacher"


def test_a_term_that_is_given_a_weight_leaves_the_others_as_they_are(tmp_path):
    mine = TINY | {"lora": {"lora4": {"loss": {"hard": 3}}, "taught": {"loss": {"soft": 2}}}}
    steps = load_options(tmp_path, ["mine"], mine=mine)["mine"]["lora"]
    assert steps["lora4"]["loss"] == {"hard": 3, "soft": 0, "hidden": 0, "relation": 0}
    assert steps["taught"]["loss"] == {"hard": 1, "soft": 2, "hidden": 0, "relation": 0}


def test_only_a_step_with_a_teacher_has_a_control_and_that_lacks_it(options):
    both = {"lora4": options, "taught": options | TAUGHT}
    steps = {technique: {} for technique in TECHNIQUES} | {"lora": both}
    assert control_of("teacher+lora4", steps) is None
    assert control_of("teacher+taught", steps) == "teacher+taught-control"
    control = control_options(TECHNIQUES["lora"], both["taught"])
    assert not TECHNIQUES["lora"].taught(control)
    assert control["training"] == both["taught"]["training"]


def test_the_adapter_is_an_artifact_of_its_step_and_of_no_other(tiny):
    assert {artifact["variant"] for artifact in tiny.artifacts() if artifact["form"] == "adapter"} == {"lora4"}
