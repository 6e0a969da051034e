"""The distillation terms agree with torch's own, and padding never counts."""

import torch
from torch.nn import functional

from encoder_compression.training.losses import HiddenStateMatcher, hidden_state_loss, soft_target_loss


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
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    before = hidden_state_loss(student, teacher, mask)
    student[0, 4:] += 1000
    torch.testing.assert_close(hidden_state_loss(student, teacher, mask), before)
    expected = functional.mse_loss(student[mask.bool()], teacher[mask.bool()])
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
