"""Distil a student with fewer layers from a fine-tuned teacher (Hinton et al. 2015; Sanh et al. 2019)."""

import copy
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained, shallow
from encoder_compression.encoders.layers import choose_layers
from encoder_compression.errors import UserError
from encoder_compression.pruning import calibration
from encoder_compression.pruning.depth import important_layers
from encoder_compression.run import provenance
from encoder_compression.teaching import distillation
from encoder_compression.teaching.unlabelled_rows import further_rows
from encoder_compression.training import artifacts
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal

GIVEN = "given"  # the start from a model of another experiment, which options name
EXAMPLES = 256  # of train, on which layers are found important: each pass costs one more for every layer that is left


def distill(
    *,
    parent: Path,
    teacher: Path,
    encoder: Path,
    start: Path | None,
    soft_targets: Path | None,
    unlabelled: Path | None,
    unlabelled_targets: Path | None,
    goal: Goal,
    options: dict,
    model: Path,
    curve: Path,
) -> dict:
    """Write the student to ``model`` and its curve to ``curve``; returns facts, the layer map among them.

    ``parent`` gives the student its layers, ``teacher`` its targets, ``encoder`` the layers of a "pretrained" start, ``start``
    all of its layers where the options name a model of another experiment; ``soft_targets`` holds the teacher's logits on
    train, where they are kept, ``unlabelled`` further texts and ``unlabelled_targets`` those on them. With start "best" both
    starts are trained, each with the whole budget, and the one with the better validation score is kept.
    """
    encoder_facts.require_all_heads(parent, "a student of fewer layers")
    distillation.require_gate(teacher, options["gate"])
    inputs = [parent, teacher, encoder, goal.dataset, *filter(None, (start, unlabelled))]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoder_facts.load_tokenizer(parent)
    starts = _starts(options["start"])
    rule = _rule(parent, tokenizer, goal, options)
    further = further_rows(unlabelled, unlabelled_targets, goal.dataset, options)
    of_parent = distillation.layer_map(parent, teacher)
    candidates = []
    for name in starts:
        if name == GIVEN:
            student, layers = _take_given(start, rule, options["keep"], parent, goal)
        else:
            whole = pretrained.load_model(parent) if name == "finetuned" else new_model(encoder, goal)
            student, layers = take_layers(whole, rule, options["keep"])
        if name != "pretrained":  # then they are the parent's, which may be a student itself
            layers = [of_parent[layer - 1] for layer in layers] if of_parent else []
        candidates.append(_train_student(student, layers, teacher, tokenizer, soft_targets, further, goal, options, checkpoints / name))
    scores = [candidate["facts"]["validation_score"] for candidate in candidates]
    best = scores.index(max(scores))
    artifacts.publish(candidates[best]["student"], tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(candidates[best]["history"], curve)
    artifacts.drop_checkpoints(checkpoints)
    return candidates[best]["facts"] | {
        "start": starts[best],
        "validation_score_by_start": dict(zip(starts, scores, strict=True)),
        "teacher_fingerprint": provenance.fingerprint(teacher),
    }


def _starts(start: str | dict) -> tuple[str, ...]:
    """Return the names of the starts that are tried."""
    if start == "best":
        return ("finetuned", "pretrained")
    return (GIVEN,) if isinstance(start, dict) else (start,)


def _take_given(folder: Path, rule: str | list[int], keep: int, parent: Path, goal: Goal) -> tuple[PreTrainedModel, list[int]]:
    """Return a model of another experiment with a new head, and the parent's layers that its own ones stand for.

    UserError where it has not as many layers, or reads other tokens than the parent.
    """
    student = new_model(folder, goal)
    layers = choose_layers(rule, keep, encoder_facts.depth(parent))
    depth = encoder_facts.depth(folder)
    if depth != len(layers):
        raise UserError(
            f"the student starts from {folder}, which has {depth} layers and not {len(layers)}; make 'layers' and 'keep' fit it"
        )
    if encoder_facts.load_tokenizer(folder).get_vocab() != encoder_facts.load_tokenizer(parent).get_vocab():
        raise UserError(
            f"the student starts from {folder}, which has another vocabulary than its teacher; take a start of the same encoder"
        )
    return student, layers


def _rule(parent: Path, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict) -> str | list[int]:
    """Return the rule of the layers, or the layers themselves where the parent's own importance chooses them."""
    if options["layers"] != "important":
        return options["layers"]
    batches = calibration.batches(goal.dataset, tokenizer, EXAMPLES)
    return important_layers(pretrained.load_model(parent), options["keep"], batches)


def _train_student(
    student: PreTrainedModel,
    layer_map: list[int],
    teacher: Path,
    tokenizer: PreTrainedTokenizerBase,
    soft_targets: Path | None,
    further: Dataset | None,
    goal: Goal,
    options: dict,
    checkpoints: Path,
) -> dict:
    """Train a student with the whole budget; returns student, history and facts."""
    history, facts = distillation.learn(
        student,
        teacher=teacher,
        soft_targets=soft_targets,
        further=further,
        layer_map=layer_map,
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=None,
    )
    return {"student": student, "history": history, "facts": facts}


def take_layers(model: PreTrainedModel, rule: str | list[int], keep: int) -> tuple[PreTrainedModel, list[int]]:
    """Return a copy of the model that has only the chosen layers, and which ones, counted from 1."""
    student = copy.deepcopy(model)
    layers = choose_layers(rule, keep, len(pretrained.layers(student)))
    shallow.take(student, layers)
    return student, layers
