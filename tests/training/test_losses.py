"""The distillation terms agree with torch's own, and padding never counts."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from torch.nn import functional

from conftest import make_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.teaching.projected_spans import NO_MASS
from encoder_compression.training.losses import HiddenStateMatcher, hidden_state_loss, relation_loss, soft_target_loss
from encoder_compression.training.objectives import Distillation


def test_the_soft_loss_is_torchs_kl_times_temperature_squared():
    student, teacher = torch.randn(5, 3), torch.randn(5, 3)
    expected = functional.kl_div((student / 4).log_softmax(-1), (teacher / 4).softmax(-1), reduction="batchmean") * 16
    torch.testing.assert_close(soft_target_loss(student, teacher, 4.0), expected)


def test_equal_logits_cost_nothing_at_any_temperature():
    logits = torch.randn(5, 3)
    for temperature in (1.0, 2.0, 10.0):
        assert soft_target_loss(logits, logits, temperature).abs() < 1e-6


def test_the_temperature_hardly_changes_the_size_of_the_gradient():
    teacher, sizes = torch.randn(64, 3), []
    for temperature in (5.0, 20.0):
        student = torch.zeros(64, 3, requires_grad=True)
        soft_target_loss(student, teacher, temperature).backward()
        sizes.append(student.grad.norm())
    assert 0.8 < sizes[0] / sizes[1] < 1.25


def test_hidden_states_of_padding_do_not_count():
    student, teacher = torch.randn(2, 6, 8), torch.randn(2, 6, 8)
    attention_mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    before = hidden_state_loss(student, teacher, attention_mask)
    student[0, 4:] += 1000
    torch.testing.assert_close(hidden_state_loss(student, teacher, attention_mask), before)
    expected = functional.mse_loss(student[attention_mask.bool()], teacher[attention_mask.bool()])
    torch.testing.assert_close(before, expected)


def test_the_matcher_compares_each_student_layer_with_its_mapped_teacher_layer():
    teacher = tuple(torch.randn(1, 3, 8) for _ in range(7))
    student = tuple(teacher[index].clone() for index in (0, 2, 4, 6))
    matcher = HiddenStateMatcher(student_width=8, teacher_width=8, layer_map=[2, 4, 6])
    assert matcher(student, teacher, torch.ones(1, 3)) == 0
    assert HiddenStateMatcher(student_width=8, teacher_width=8, layer_map=[1, 3, 5])(student, teacher, torch.ones(1, 3)) > 0
    assert not list(matcher.parameters())


def test_a_narrower_student_is_compared_through_a_trained_projection():
    matcher = HiddenStateMatcher(student_width=4, teacher_width=8, layer_map=[2])
    loss = matcher(tuple(torch.randn(2, 3, 4) for _ in range(2)), tuple(torch.randn(2, 3, 8) for _ in range(3)), torch.ones(2, 3))
    loss.backward()
    assert matcher.projection.weight.grad.abs().sum() > 0


def relations(states, attention_mask, heads):
    """The definition, a token at a time."""
    length, width = states.shape
    found = np.zeros((heads, length, length))
    for head, part in enumerate(np.split(states, heads, axis=1)):
        for token in range(length):
            scores = np.array(
                [part[token] @ part[other] / np.sqrt(width / heads) if attention_mask[other] else -np.inf for other in range(length)]
            )
            found[head, token] = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    return found


@pytest.mark.parametrize("heads", [1, 2])
def test_the_relation_loss_is_its_definition_for_other_widths_and_without_padding(heads):
    generator = np.random.default_rng(0)
    attention_mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    student, teacher = ([generator.normal(size=(2, 4, width)) for _ in range(3)] for width in (4, 6))
    expected = []
    for student_states, teacher_states in zip(student, teacher, strict=True):
        terms = []
        for row in range(2):
            ours, reference = (relations(states[row], attention_mask[row], heads) for states in (student_states, teacher_states))
            for token in np.flatnonzero(attention_mask[row]):
                terms += [rel_entr(reference[head, token], ours[head, token])[attention_mask[row] == 1].sum() for head in range(heads)]
        expected.append(np.mean(terms))
    tensors = ([torch.tensor(states) for states in side] for side in (student, teacher))
    assert relation_loss(*tensors, torch.tensor(attention_mask), heads=heads).item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_mixed_precision_rounds_no_relation():
    """The divergence of nearly equal relations is smaller than what bfloat16 rounds, and never negative."""
    teacher = [torch.randn(4, 12, 32) for _ in range(3)]
    student = [states + 0.01 * torch.randn_like(states) for states in teacher]
    attention_mask = torch.ones(4, 12)
    exact = relation_loss(student, teacher, attention_mask, heads=2)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = relation_loss(student, teacher, attention_mask, heads=2)
    assert exact > 0
    torch.testing.assert_close(rounded, exact, rtol=1e-5, atol=0)


def test_equal_relations_cost_nothing_and_padding_changes_nothing():
    states = [torch.randn(1, 5, 4) for _ in range(3)]
    attention_mask = torch.tensor([[1, 1, 1, 0, 0]])
    assert relation_loss(states, states, attention_mask, heads=2).item() == pytest.approx(0, abs=1e-6)
    others = [torch.randn(1, 5, 4) for _ in range(3)]
    padded = [torch.cat([other[:, :3], torch.randn(1, 2, 4)], dim=1) for other in others]
    assert relation_loss(states, others, attention_mask, heads=2).item() == pytest.approx(
        relation_loss(states, padded, attention_mask, heads=2).item(), rel=1e-5
    )


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "mpnet"])
def test_queries_keys_and_values_of_the_last_layer_are_kept_while_they_are_watched(tmp_path, architecture):
    folder = make_encoder(tmp_path, architecture=architecture)
    model = pretrained.add_head(folder, "AutoModelForSequenceClassification", {}).eval()
    batch = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    with torch.no_grad(), pretrained.queries_keys_values(model) as kept:
        states = model(**batch, output_hidden_states=True).hidden_states
    block = pretrained.blocks(model)[-1]
    for found, part in zip(kept, (block.query, block.key, block.value), strict=True):
        torch.testing.assert_close(found, part(states[-2]))
    model(**batch)
    assert len(kept) == 3


def test_the_objective_weighs_the_relation_and_teaches_the_student(tmp_path):
    teacher, student = (
        pretrained.add_head(make_encoder(tmp_path / name, seed=seed, **shape), "AutoModelForSequenceClassification", {})
        for name, seed, shape in (("teacher", 0, {}), ("student", 1, {"hidden_size": 16, "intermediate_size": 32}))
    )
    batch = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3, dtype=torch.long), "labels": torch.tensor([1])}
    objective = Distillation(weights={"hard": 0, "soft": 0, "hidden": 0, "relation": 2}, temperature=1, teacher=teacher)
    terms = objective(student, batch)
    assert set(terms) == {"hard", "relation"} and terms["relation"] > 0
    sum(terms.values()).backward()
    query = pretrained.blocks(student)[-1].query.weight
    assert query.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in teacher.parameters())


def test_a_row_without_soft_targets_adds_nothing_and_still_counts_in_the_mean():
    student, teacher = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    rest = soft_target_loss(student[[0, 1, 3]], teacher[[0, 1, 3]], 2.0)
    teacher[2] = -torch.inf
    loss = soft_target_loss(student, teacher, 2.0)
    torch.testing.assert_close(loss, rest * 3 / 4)
    loss.backward()
    assert torch.equal(student.grad[2], torch.zeros(3)) and student.grad[[0, 1, 3]].isfinite().all()


def test_a_class_without_mass_is_a_choice_of_the_students_and_a_hard_target_a_cross_entropy():
    student = torch.randn(2, 3)
    loss = soft_target_loss(student, torch.tensor([[0.0, NO_MASS, NO_MASS], [NO_MASS, NO_MASS, 0.0]]), 1.0)
    torch.testing.assert_close(loss, functional.cross_entropy(student, torch.tensor([0, 2])))


def test_a_number_without_a_soft_target_adds_nothing():
    student = torch.tensor([[1.0], [5.0]], requires_grad=True)
    term = Distillation(weights={}, temperature=2, teacher=None)._soft_term(student, torch.tensor([[3.0], [torch.nan]]))
    term.backward()
    assert term == 2.0  # (1 - 3)² over two rows
    assert student.grad.tolist() == [[-2.0], [0.0]]
