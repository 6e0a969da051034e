"""What a trained teacher gives to a step that learns from it: a gate, soft targets, the loss (Hinton et al. 2015)."""

from pathlib import Path

import pyarrow as pa
from datasets import Dataset, concatenate_datasets
from pyarrow import parquet
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.study.teachers import asks_teacher_itself
from encoder_compression.teaching.fixed_mlm_masks import FixedMlmMasks
from encoder_compression.teaching.soft_targets import FILE_NAME
from encoder_compression.training.examples import Examples, has_mlm_masks, of_train, read_train
from encoder_compression.training.losses import HiddenStateMatcher
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.train import Goal, train


def require_gate(teacher: Path, gate: float) -> None:
    """Raise UserError where the teacher's recorded validation score does not reach the gate, as NaN reaches none."""
    score = provenance.read_facts(teacher)["validation_score"]
    if not score >= gate:
        raise UserError(
            f"the teacher {teacher} reached {score:.3f} on validation, below its gate of {gate}; "
            "train it better or lower 'gate' of the step that learns from it"
        )


def layer_map(parent: Path, teacher: Path) -> list[int]:
    """Return for each layer of the parent the teacher's layer, counted from 1, that it came from; nothing where that is not recorded.

    A model with as many layers as the teacher has its layers; what a student has was recorded when it was made.
    """
    count = encoder_facts.depth(parent)
    if count == encoder_facts.depth(teacher):
        return list(range(1, count + 1))
    recorded = provenance.read_facts(parent).get("layer_map", {})
    return [recorded[str(layer)] for layer in range(1, count + 1)] if len(recorded) == count else []


def learn(
    student: PreTrainedModel,
    *,
    teacher: Path | None,
    soft_targets: Path | None,
    further: Dataset | None,
    layer_map: list[int],
    tokenizer: PreTrainedTokenizerBase,
    goal: Goal,
    options: dict,
    checkpoints: Path,
    ramp: Ramp | None,
) -> tuple[list[dict], dict]:
    """Train ``student`` in place towards labels and teacher; returns its curve and facts.

    ``layer_map`` names for each of the student's layers the teacher's, counted from 1; ``soft_targets`` holds the teacher's
    logits on train, where they are kept, ``further`` are rows beside those of train; ``options`` are those of a step with
    "loss", "temperature" and "training"; ``ramp`` prunes on the way. UserError where hidden states are to resemble the teacher's,
    but ``layer_map`` is empty.
    """
    if options["loss"]["hidden"] and not layer_map:
        raise UserError(f"which layers of {teacher} this model's came from is not recorded; take 'hidden' out of the step's 'loss'")
    history, facts = train(
        model=student,
        tokenizer=tokenizer,
        goal=goal,
        options=options["training"],
        objective=_objective(student, teacher, soft_targets, layer_map, options),
        checkpoints=checkpoints,
        examples=_examples(goal, soft_targets, further, options),
        ramp=ramp,
    )
    student.hidden_matcher = None
    return history, facts | {"layer_map": dict(enumerate(layer_map, start=1))}


def asks_live(loss: dict, soft_targets: Path | None) -> bool:
    """Say whether a loss has a term for which the teacher itself answers beside its student."""
    return asks_teacher_itself(loss) or bool(loss["soft"] and not soft_targets)


def _examples(goal: Goal, soft_targets: Path | None, further: Dataset | None, options: dict) -> Examples:
    """Return train with the teacher's answers where they are kept, and the rows beside it."""
    if "top_logits" in options:
        return FixedMlmMasks(goal.dataset, goal.seed, soft_targets)
    if has_mlm_masks(goal.dataset):
        return of_train(goal.dataset, goal.seed)
    train = read_train(goal.dataset, soft_columns(soft_targets, options))
    return concatenate_datasets([train, further]) if further else train


def _objective(
    student: PreTrainedModel, teacher: Path | None, soft_targets: Path | None, layer_map: list[int], options: dict
) -> Distillation:
    """Return the loss; some terms need the teacher itself, and hidden states a matcher that is trained with the student."""
    loss = options["loss"]
    live = pretrained.load_model(teacher) if asks_live(loss, soft_targets) else None
    if loss["hidden"]:
        widths = {"student_width": student.config.hidden_size, "teacher_width": live.config.hidden_size}
        student.hidden_matcher = HiddenStateMatcher(**widths, layer_map=layer_map)
    return Distillation(weights=loss, temperature=options["temperature"], teacher=live)


def soft_columns(soft_targets: Path | None, options: dict) -> dict[str, pa.ChunkedArray]:
    """Return the teacher's logits as an input of every example, where the loss uses them and they are kept."""
    if not options["loss"]["soft"] or not soft_targets:
        return {}
    return {"teacher_logits": parquet.read_table(Path(soft_targets) / FILE_NAME, columns=["logits"])["logits"]}
