"""A search has the chains that encoder, data and runtime allow, and a step for each of their parts."""

from dataclasses import replace

import pytest

from encoder_compression.contract.candidates import Space

SPACE = Space(
    depth=6,
    hidden_size=384,
    runtime="onnxruntime",
    vocabulary=500,
    can_shrink=True,
    can_be_static=True,
    training={"epochs": 3, "learning_rate": 1e-4},
)


@pytest.mark.parametrize(("depth", "kept"), [(12, [8, 6, 4]), (6, [4, 3, 2]), (4, [2, 1]), (3, [2, 1]), (2, [1]), (1, [])])
def test_students_keep_two_thirds_half_and_a_third_of_the_layers(depth, kept):
    assert replace(SPACE, depth=depth).depths == kept


@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
@pytest.mark.parametrize("depth", [2, 6, 12])
@pytest.mark.parametrize("vocabulary", [None, 500])
@pytest.mark.parametrize("can_shrink", [True, False])
@pytest.mark.parametrize("can_be_static", [True, False])
def test_every_step_of_a_chain_is_configured_and_every_configured_step_is_used(runtime, depth, vocabulary, can_shrink, can_be_static):
    space = Space(depth, 384, runtime, vocabulary, can_shrink, can_be_static, SPACE.training)
    configured = {step for section in space.steps().values() for step in section}
    students = [chain for student in space.students() for chain in (student.chain, student.shape, student.short)]
    chains = [*space.whole(), *space.untrained(), *students]
    assert {step for chain in chains for step in chain.steps} - {"teacher"} == configured
    assert len(set(space.untrained())) == len(space.untrained())


def test_a_shape_trains_nothing_and_has_the_steps_of_its_student_else():
    steps = {name: options for section in SPACE.steps().values() for name, options in section.items()}
    (student,) = [student for student in SPACE.students() if student.chain == "teacher+layers3+narrower30+words+int8"]
    assert student.shape == "teacher+layers3_shape+narrower30_shape+words+int8"
    for step, shape in zip(student.chain.steps[1:3], student.shape.steps[1:3], strict=True):
        assert steps[shape]["training"]["epochs"] == 0 < steps[step]["training"]["epochs"]
        unlike = {key for key in steps[step] if steps[step][key] != steps[shape][key]}
        assert unlike == {"training"}


def test_a_student_trains_twice_as_long_as_its_teacher_and_its_scout_for_one_epoch():
    distill = SPACE.steps()["distill"]
    assert [distill[f"layers3{end}"]["training"]["epochs"] for end in ("", "_short", "_shape")] == [6, 1, 0]
    assert distill["layers3"]["training"]["learning_rate"] == 1e-4


def test_what_needs_no_training_is_the_teacher_narrower_with_fewer_words_and_the_floor_all_in_8_bits():
    assert SPACE.whole() == ["teacher", "teacher+int8"]
    assert SPACE.untrained() == [
        "teacher+words+int8",
        "teacher+width30+int8",
        "teacher+width30+words+int8",
        "teacher+width50+int8",
        "teacher+width50+words+int8",
        "teacher+static+words+int8",
    ]


@pytest.mark.parametrize(("hidden_size", "dimensions"), [(384, 64), (32, 32)])
def test_a_static_student_has_no_more_dimensions_than_its_encoder(hidden_size, dimensions):
    assert replace(SPACE, hidden_size=hidden_size).steps()["static"]["static"]["dimensions"] == dimensions


def test_heads_that_cannot_be_cut_stay():
    space = replace(SPACE, can_shrink=False, can_be_static=False)
    assert space.untrained() == ["teacher+words+int8"]
    assert [student.chain for student in space.students()] == [f"teacher+layers{keep}+words+int8" for keep in (4, 3, 2)]


def test_pytorch_has_no_step_into_8_bits():
    assert replace(SPACE, runtime="pytorch").whole() == ["teacher"]
    assert replace(SPACE, runtime="pytorch", vocabulary=None).untrained()[0] == "teacher+width30"
