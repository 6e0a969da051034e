"""Every combination of the four loss terms teaches every technique, and each term is its definition, computed apart."""

import itertools
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch.nn import functional

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.pruning.gates import open_gates
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.pruning.structure import Structure, remove
from encoder_compression.quantization.fake import FakeQuantization
from encoder_compression.run import provenance
from encoder_compression.study.nested import merge
from encoder_compression.study.techniques import WITH_CONTROL
from encoder_compression.techniques.distill import take_layers
from encoder_compression.techniques.lora import add_updates
from encoder_compression.training.losses import HiddenStateMatcher
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.train import Goal
from own_experiments import TINY, load_options
from trained_students import run_distill

TERMS = ("hard", "soft", "hidden", "relation")
COMBINATIONS = [dict(zip(TERMS, weights, strict=True)) for weights in itertools.product((0, 1), repeat=4) if any(weights)]
TEMPERATURE = 2.0


def named(weights: dict) -> str:
    return "+".join(term for term, weight in weights.items() if weight)


def sequence_classifier(folder, seed: int):
    torch.manual_seed(seed)
    model = pretrained.add_head(make_encoder(folder, layers=3, seed=seed), "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)  # a fresh encoder answers almost the same to every text
    return model.eval()


def distilled(model):
    return take_layers(model, [1, 3], 2)[0], [1, 3]


def with_lora(model):
    options = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all", "dora": False}
    return add_updates(model, options), [1, 2, 3]


def shrunk(model):
    heads, neurons = open_gates(model)
    heads[0, 1], neurons[:, 8:] = 0, 0
    remove(model, Structure(heads, neurons))
    return model, [1, 2, 3]


def pruned(model):
    linears = pretrained.encoder_linears(model)
    pruning_masks = PruningMasks(linears, scope="global", factors=dict.fromkeys(linears, torch.ones(1)))
    pruning_masks.raise_to(0.5)
    return model, [1, 2, 3]


def quantization_aware(model):
    FakeQuantization(model, bits=4, block=32)
    return model, [1, 2, 3]


STUDENTS = {"distill": distilled, "lora": with_lora, "shrink": shrunk, "prune": pruned, "qat": quantization_aware}


@pytest.fixture(scope="module", params=[technique for technique in WITH_CONTROL if technique != "static"])  # which has no layers
def lesson(request, tmp_path_factory) -> SimpleNamespace:
    """A student of one technique, its teacher, its layer map, and a batch with padding."""
    folder = tmp_path_factory.mktemp(request.param)
    teacher = sequence_classifier(folder / "of_teacher", seed=1)
    student, layers = STUDENTS[request.param](sequence_classifier(folder / "of_student", seed=2))
    batch = {
        "input_ids": torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 0, 0], [4, 30, 0, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]),
        "labels": torch.tensor([1, 0, 1]),
    }
    student.hidden_matcher = HiddenStateMatcher(student_width=32, teacher_width=32, layer_map=layers)
    lesson = SimpleNamespace(student=student.eval(), teacher=teacher, layers=layers, batch=batch)
    with torch.no_grad():
        lesson.references = references(lesson)
    return lesson


def terms_of(lesson, weights: dict) -> dict[str, torch.Tensor]:
    objective = Distillation(weights=weights, temperature=TEMPERATURE, teacher=lesson.teacher)
    return objective(lesson.student, lesson.batch)


def states(model, batch: dict) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Return logits, hidden states, and the last layer's queries, keys and values, computed from what that layer reads."""
    out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
    last = pretrained.blocks(model)[-1]
    return out.logits, list(out.hidden_states), [part(out.hidden_states[-2]) for part in (last.query, last.key, last.value)]


def relations(tensor: torch.Tensor, length: int, heads: int) -> torch.Tensor:
    """Return log-probabilities [heads, length, length] of one text's states [longest, width], its padding cut off."""
    parts = torch.stack(tensor[:length].chunk(heads, dim=-1))
    return (parts @ parts.transpose(1, 2) / parts.shape[-1] ** 0.5).log_softmax(-1)


def references(lesson) -> dict[str, torch.Tensor]:
    """Return each term by its definition, text by text and layer by layer."""
    lengths = lesson.batch["attention_mask"].sum(1).tolist()
    logits, hidden, parts = states(lesson.student, lesson.batch)
    teacher_logits, teacher_hidden, teacher_parts = states(lesson.teacher, lesson.batch)
    pairs = [(hidden[index], teacher_hidden[layer]) for index, layer in enumerate([0, *lesson.layers])]
    squares = [
        torch.cat([(ours[row, :length] - theirs[row, :length]).square().mean(-1) for row, length in enumerate(lengths)]).mean()
        for ours, theirs in pairs
    ]
    divergences = [
        torch.cat(
            [
                functional.kl_div(relations(ours[row], length, 2), relations(theirs[row], length, 2).exp(), reduction="none")
                .sum(-1)
                .mean(0)
                for row, length in enumerate(lengths)
            ]
        ).mean()
        for ours, theirs in zip(parts, teacher_parts, strict=True)
    ]
    softened = [(values / TEMPERATURE).softmax(-1) for values in (logits, teacher_logits)]
    return {
        "hard": -logits.log_softmax(-1)[torch.arange(3), lesson.batch["labels"]].mean(),
        "soft": TEMPERATURE**2 * (softened[1] * (softened[1] / softened[0]).log()).sum(-1).mean(),
        "hidden": torch.stack(squares).mean(),
        "relation": torch.stack(divergences).mean(),
    }


@pytest.mark.parametrize("weights", COMBINATIONS, ids=named)
def test_every_combination_of_terms_is_their_definition_and_reaches_the_student(lesson, weights):
    lesson.student.zero_grad()
    terms = terms_of(lesson, weights)
    assert {name for name in terms if weights[name]} == {name for name in TERMS if weights[name]}
    assert set(terms) <= {"hard"} | {name for name in TERMS if weights[name]}
    for name, reference in lesson.references.items():
        torch.testing.assert_close(terms.get(name, torch.tensor(0.0)), weights[name] * reference, rtol=1e-4, atol=1e-6)
    sum(terms.values()).backward()
    gradients = [weight.grad for weight in lesson.student.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


def test_each_term_counts_by_its_weight(lesson):
    whole = terms_of(lesson, dict.fromkeys(TERMS, 1))
    weights = {"hard": 0.5, "soft": 2, "hidden": 0.25, "relation": 3}
    for name, term in terms_of(lesson, weights).items():
        torch.testing.assert_close(term, weights[name] * whole[name])


def batch_of(task: str) -> tuple[str, dict, dict]:
    """Return the class of a task's model, its head, and a batch of it."""
    read = {"input_ids": torch.tensor([[5, 6, 7, 8], [9, 8, 0, 0]]), "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])}
    if task == "regression":
        return "AutoModelForSequenceClassification", {"num_labels": 1}, read | {"labels": torch.tensor([0.5, -1.0])}
    if task == "question-answering":
        ends = {"start_positions": torch.tensor([1, 0]), "end_positions": torch.tensor([2, 1])}
        return "AutoModelForQuestionAnswering", {}, read | ends
    return "AutoModelForMaskedLM", {}, read | {"labels": torch.tensor([[-100, 6, -100, 3], [9, -100, -100, -100]])}


@pytest.mark.parametrize("technique", ["distill", "lora"])
@pytest.mark.parametrize("task", ["regression", "question-answering", "masked-language-modelling"])
def test_every_combination_of_terms_teaches_every_other_task(tmp_path, task, technique):
    auto_class, head, batch = batch_of(task)
    teacher = pretrained.add_head(make_encoder(tmp_path / "of_teacher", layers=3), auto_class, head)
    student, layers = STUDENTS[technique](pretrained.add_head(make_encoder(tmp_path / "of_student", layers=3, seed=3), auto_class, head))
    student.hidden_matcher = HiddenStateMatcher(student_width=32, teacher_width=32, layer_map=layers)
    for weights in COMBINATIONS:
        student.zero_grad()
        terms = Distillation(weights=weights, temperature=TEMPERATURE, teacher=teacher)(student, batch)
        assert set(terms) == {"hard"} | {name for name in TERMS if weights[name]}, weights
        assert all(bool(term.isfinite()) and (term > 0) == bool(weights[name]) for name, term in terms.items()), weights
        sum(terms.values()).backward()
        assert sum(weight.grad.abs().sum() for weight in student.parameters() if weight.grad is not None) > 0, weights


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_step_that_names_the_relation_alone_trains_with_the_other_defaults(tmp_path, encoder, dataset, checkpointing):
    """As the table of options invites: distill: {x: {loss: {relation: 1}}}."""
    training = {"epochs": 1, "precision": "float32", "batch_size": 16, "gradient_checkpointing": checkpointing}
    step = {"layers": [1], "gate": 0, "loss": {"relation": 1}, "training": training}
    options = load_options(tmp_path, ["mine"], mine=TINY | {"distill": TINY["distill"] | {"related": step}})["mine"]["distill"]["related"]
    assert options["loss"] == {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 1}
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "teacher")
    provenance.write(tmp_path / "teacher", options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    facts = run_distill(
        teacher=tmp_path / "teacher",
        encoder=encoder,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options,
        folder=tmp_path,
    )
    assert facts["steps"] > 0
    curve = pd.read_csv(tmp_path / "training.csv").dropna(subset="loss")
    terms = curve[["loss_hard", "loss_soft", "loss_relation"]]
    assert (terms > 0).all(axis=None)
    assert terms.sum(axis=1).to_numpy() == pytest.approx(curve["loss"].to_numpy(), abs=1e-4)


NOTHING = dict.fromkeys(TERMS, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"distill": {"even1": {"loss": NOTHING}}},
        {"lora": {"few": {"loss": {"hard": 0}}}},  # which has no other term
        {"shrink": {"few": {"remove": 0.5, "loss": {"hard": 0, "soft": 0}}}},
        {"prune": {"few": {"sparsity": 0.5, "loss": NOTHING}}},
        {"qat": {"few": {"loss": NOTHING, "training": {"epochs": 0}}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_loss_without_any_term_is_refused_before_anything_runs(tmp_path, change):
    ((section, steps),) = change.items()
    message = (
        rf"mine.yaml:\d+: {section}.{next(iter(steps))}.loss: all weights are 0, so that nothing is learnt; give a term a weight above 0$"
    )
    with pytest.raises(UserError, match=message):
        load_options(tmp_path, ["mine"], mine=merge(TINY, change))
