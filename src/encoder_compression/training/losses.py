"""The terms of a distillation loss as pure functions."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of logits [..., choices] softened by T, times T² (Hinton et al. 2015, section 2).

    The factor keeps the size of the gradient when T changes. Choices for which the teacher has -inf are none: padding, or
    words of the question where a span is sought; a distribution of such choices alone adds nothing. Any other teacher logit that is not
    finite makes the loss NaN. Mean over the distributions.
    """
    possible = teacher != -torch.inf
    student = functional.log_softmax(student.float().masked_fill(~possible, -torch.inf) / temperature, dim=-1)
    teacher = functional.log_softmax(teacher.float() / temperature, dim=-1)
    terms = functional.kl_div(student[possible], teacher[possible], reduction="sum", log_target=True)
    return terms / teacher[..., 0].numel() * temperature**2


def span_loss(logits: Tensor, positions: Tensor, attention_mask: Tensor) -> Tensor:
    """Cross-entropy of start and end logits [batch, 2, length] with their positions [batch, 2], mean over both.

    As in BERT (Devlin et al. 2019, section 4.2), but padding, where attention_mask [batch, length] is 0, is no choice.
    """
    return functional.cross_entropy(logits.float().masked_fill(attention_mask[:, None] == 0, -torch.inf).transpose(1, 2), positions)


def hidden_state_loss(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean squared difference of hidden states [batch, length, width] over the tokens where attention_mask [batch, length] is 1.

    As in TinyBERT's hidden-state term (Jiao et al. 2020, equation 8); padding never counts.
    """
    difference = (student.float() - teacher.float()).pow(2).mean(dim=-1)
    return (difference * attention_mask).sum() / attention_mask.sum()


def relation_loss(student: list[Tensor], teacher: list[Tensor], attention_mask: Tensor, *, heads: int) -> Tensor:
    """KL of how tokens relate, softmax(A Aᵀ / √width), for A = queries, keys and values (Wang et al. 2021, MiniLMv2, equations 5-7).

    Each of the tensors [batch, length, width] is cut into so many ``heads``, so the widths of student and teacher may differ.
    Mean over the three, the heads, and the tokens where attention_mask [batch, length] is 1; those related to are such tokens only.
    """
    losses = []
    for student_states, teacher_states in zip(student, teacher, strict=True):
        student_relations, teacher_relations = (_relations(states, attention_mask, heads) for states in (student_states, teacher_states))
        divergences = functional.kl_div(student_relations, teacher_relations, reduction="none", log_target=True).sum(dim=-1)
        losses.append((divergences.mean(dim=1) * attention_mask).sum() / attention_mask.sum())
    return torch.stack(losses).mean()


def _relations(states: Tensor, attention_mask: Tensor, heads: int) -> Tensor:
    """Return log-probabilities [batch, heads, length, length] of how each token relates to the others, in float32.

    In bfloat16 they would not sum to 1, and their divergence, which is often smaller than that rounding, could be negative.
    """
    with torch.autocast(states.device.type, enabled=False):
        parts = states.float().unflatten(-1, (heads, -1)).transpose(1, 2)
        scores = parts @ parts.transpose(-1, -2) / parts.shape[-1] ** 0.5
        return functional.log_softmax(scores.masked_fill(attention_mask[:, None, None] == 0, -1e4), dim=-1)


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

    def forward(self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], attention_mask: Tensor) -> Tensor:
        """Return the mean over layers of `hidden_state_loss`; the tuples hold the embeddings and each layer's output."""
        pairs = zip(student, self.teacher_states, strict=True)
        losses = [hidden_state_loss(self.projection(state), teacher[index], attention_mask) for state, index in pairs]
        return torch.stack(losses).mean()
