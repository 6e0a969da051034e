"""Distil a student from a fine-tuned teacher or from given soft targets (Hinton et al. 2015; Sanh et al. 2019)."""

import copy
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained, shallow
from encoder_compression.encoders.layers import choose_layers, require_narrower
from encoder_compression.errors import UserError
from encoder_compression.pruning import calibration
from encoder_compression.pruning.depth import important_layers
from encoder_compression.pruning.narrowing import narrow
from encoder_compression.run import provenance
from encoder_compression.study.teachers import in_chain
from encoder_compression.teaching import distillation
from encoder_compression.teaching.elsewhere import matched_layers, require_same_tokens
from encoder_compression.teaching.unlabelled_rows import further_rows
from encoder_compression.training import artifacts
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal

GIVEN = "given"  # the start from a model of another experiment, which options name
EXAMPLES = 256  # of train, on which layers are found important: each pass costs one more for every layer that is left
NARROWED_ON = 512  # examples of train, on which narrower hidden states are fitted


def distill(
    *,
    parent: Path | None,
    teacher: Path | None,
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

    ``parent`` gives the student its layers, and where there is none ``encoder`` does, ``teacher`` its targets, ``encoder`` the layers of
    a "pretrained" start, ``start`` all of its layers where the options name a model of another experiment; ``soft_targets`` holds the
    teacher's logits on train, where they are kept, ``unlabelled`` unlabeled texts and ``unlabelled_targets`` those on them. Soft targets
    from files have no teacher. With start "best" both starts are trained, each with the whole budget, and the one with the better
    validation score is kept.
    """
    encoder_facts.require_all_heads(parent or encoder, "a student of fewer layers")
    _require_teacher(teacher, parent or encoder, soft_targets, goal, options)
    given = None if in_chain(options) else soft_targets
    inputs = [*filter(None, (parent, teacher)), encoder, goal.dataset, *filter(None, (start, unlabelled, given))]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoder_facts.load_tokenizer(parent or encoder)
    starts = _starts(options["start"]) if parent else ("pretrained",)
    rule = _rule(parent, encoder, tokenizer, goal, options)
    further = further_rows(unlabelled, unlabelled_targets, goal.dataset, options)
    candidates = []
    for name in starts:
        student, layers = _begin(name, rule, parent, encoder, start, goal, options)
        student = _narrowed(student, tokenizer, goal, options) if "hidden_size" in options else student
        compared = _compared_layers(name, layers, parent, teacher, options)
        candidates.append(_train_student(student, compared, teacher, tokenizer, soft_targets, further, goal, options, checkpoints / name))
    scores = [candidate["facts"]["validation_score"] for candidate in candidates]
    best = scores.index(max(scores))
    artifacts.publish(candidates[best]["student"], tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(candidates[best]["history"], curve)
    artifacts.drop_checkpoints(checkpoints)
    facts = candidates[best]["facts"] | {"start": starts[best], "validation_score_by_start": dict(zip(starts, scores, strict=True))}
    if not in_chain(options):
        facts["layer_map"] = {}  # that to a model of another experiment says nothing about the models of this one
    return facts | ({"teacher_fingerprint": provenance.fingerprint(teacher)} if teacher else {})


def _require_teacher(teacher: Path | None, student: Path, soft_targets: Path | None, goal: Goal, options: dict) -> None:
    """Raise UserError where the teacher does not reach its gate, or is to read a student's tokens and cannot."""
    if not teacher:
        return
    distillation.require_gate(teacher, options["gate"])
    if not in_chain(options) and distillation.asks_live(options["loss"], soft_targets):
        require_same_tokens(teacher, student, goal.dataset)


def _starts(start: str | dict) -> tuple[str, ...]:
    """Return the names of the starts that are tried behind another step."""
    if start == "best":
        return ("finetuned", "pretrained")
    return (GIVEN,) if isinstance(start, dict) else (start,)


def _begin(
    name: str, rule: str | list[int], parent: Path | None, encoder: Path, start: Path | None, goal: Goal, options: dict
) -> tuple[PreTrainedModel, list[int]]:
    """Return a student as a start of this name has it, and the layers of the parent or the encoder that its own ones stand for."""
    if name == GIVEN:
        return _take_given(start, rule, options["keep"], parent, goal)
    whole = pretrained.load_model(parent) if name == "finetuned" else new_model(encoder, goal)
    return take_layers(whole, rule, options["keep"])


def _narrowed(student: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict) -> PreTrainedModel:
    """Return the student with hidden states as narrow as the options say; UserError where it cannot have them."""
    encoder_facts.require_possible(student.config.model_type, "hidden_size")
    config = student.config
    require_narrower(options["hidden_size"], width=config.hidden_size, heads=config.num_attention_heads)
    return narrow(student, options["hidden_size"], calibration.batches(goal.dataset, tokenizer, NARROWED_ON))


def _compared_layers(name: str, layers: list[int], parent: Path | None, teacher: Path | None, options: dict) -> list[int]:
    """Return the teacher's layers that the student's are compared with: those asked for, or in the chain those that they came from."""
    if "layer_map" in options and options["loss"]["hidden"]:
        return matched_layers(options["layer_map"], len(layers), teacher)
    if not in_chain(options):
        return matched_layers("spread", len(layers), teacher) if options["loss"]["hidden"] else []
    if name == "pretrained":  # else they are the parent's, which may be a student itself
        return layers
    of_parent = distillation.layer_map(parent, teacher)
    return [of_parent[layer - 1] for layer in layers] if of_parent else []


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


def _rule(parent: Path | None, encoder: Path, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict) -> str | list[int]:
    """Return the rule of the layers, or the layers themselves: all where none is named, or those that matter most to the parent."""
    if "layers" not in options:
        return list(range(1, encoder_facts.depth(parent or encoder) + 1))
    if options["layers"] != "important":
        return options["layers"]
    batches = calibration.batches(goal.dataset, tokenizer, EXAMPLES)
    return important_layers(pretrained.load_model(parent), options["keep"], batches)


def _train_student(
    student: PreTrainedModel,
    layer_map: list[int],
    teacher: Path | None,
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
