"""The terms of a distillation loss as pure functions."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of logits [batch, classes] softened by T, times T² (Hinton et al. 2015, section 2).

    The factor keeps the size of the gradient when T changes. Mean over the batch.
    """
    student = functional.log_softmax(student.float() / temperature, dim=-1)
    teacher = functional.log_softmax(teacher.float() / temperature, dim=-1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def hidden_state_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of hidden states [batch, length, width] over the tokens where mask [batch, length] is 1.

    As in TinyBERT's hidden-state term (Jiao et al. 2020, equation 8); padding never counts.
    """
    difference = (student.float() - teacher.float()).pow(2).mean(dim=-1)
    return (difference * mask).sum() / mask.sum()


class HiddenStateMatcher(nn.Module):
    """Compares a student's layers with those of its teacher, through one projection where the widths differ.

    ``layer_map[i]`` is the teacher's layer, counted from 1, that the student's layer i + 1 should resemble;
    the embeddings (hidden state 0) are compared too.
    """

    def __init__(self, *, student_width: int, teacher_width: int, layer_map: list[int]):
        super().__init__()
        self.teacher_states = [0, *layer_map]
        same = student_width == teacher_width
        self.projection = nn.Identity() if same else nn.Linear(student_width, teacher_width, bias=False)

    def forward(self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], mask: Tensor) -> Tensor:
        """Return the mean over layers of `hidden_state_loss`; the tuples hold the embeddings and each layer's output."""
        pairs = zip(student, self.teacher_states, strict=True)
        losses = [hidden_state_loss(self.projection(state), teacher[index], mask) for state, index in pairs]
        return torch.stack(losses).mean()
