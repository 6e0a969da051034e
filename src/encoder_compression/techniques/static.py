"""Distil a student without layers: the mean of static token embeddings and a linear head (model2vec; Tulkens & van Dongen 2024)."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase, set_seed

from encoder_compression.data import tasks
from encoder_compression.data.tasks import sentences
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.static_model import StaticConfig, StaticForSequenceClassification
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.teaching import distillation, token_vectors
from encoder_compression.teaching.unlabelled_rows import further_rows
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal


def static(
    *,
    parent: Path,
    teacher: Path,
    soft_targets: Path | None,
    unlabelled: Path | None,
    unlabelled_targets: Path | None,
    goal: Goal,
    options: dict,
    model: Path,
    curve: Path,
) -> dict:
    """Write the student to ``model`` and its curve to ``curve``; returns facts.

    Its embeddings begin as what the parent makes of each token alone, reduced to ``options["dimensions"]`` principal components;
    then head and embeddings are trained together, as in `distillation.learn`.
    UserError where the teacher does not reach the step's gate, or where the parent has not so many dimensions.
    """
    distillation.require_gate(teacher, options["gate"])
    inputs = [parent, teacher, goal.dataset, *filter(None, [unlabelled])]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoder_facts.load_tokenizer(parent)
    student = new_student(parent, tokenizer, goal, options["dimensions"])
    history, facts = distillation.learn(
        student,
        teacher=teacher,
        soft_targets=soft_targets,
        further=further_rows(unlabelled, unlabelled_targets, goal.dataset, options),
        layer_map=[],
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=None,
    )
    artifacts.publish(student, tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(history, curve)
    artifacts.drop_checkpoints(checkpoints)
    return facts | {"teacher_fingerprint": provenance.fingerprint(teacher)}


def new_student(parent: Path, tokenizer: PreTrainedTokenizerBase, goal: Goal, dimensions: int) -> StaticForSequenceClassification:
    """Return a student with embeddings from the parent and a head drawn with the goal's seed."""
    network = pretrained.load_model(parent)
    width = network.config.hidden_size
    if dimensions > width:
        raise UserError(f"static: {dimensions} dimensions cannot be taken out of the {width} that {parent} has; give {width} or fewer")
    vectors = token_vectors.alone(network, tokenizer)
    set_seed(goal.seed)
    student = StaticForSequenceClassification(_config(parent, tokenizer, goal, dimensions, len(vectors)))
    student.embedding.weight.data = token_vectors.reduce(vectors, token_vectors.counts(goal.dataset, len(vectors)), dimensions)
    return student


def _config(parent: Path, tokenizer: PreTrainedTokenizerBase, goal: Goal, dimensions: int, vocabulary: int) -> StaticConfig:
    """Return the config of a student that reads what its parent reads."""
    description = tasks.describe(goal.dataset)
    return StaticConfig(
        vocab_size=vocabulary,
        hidden_size=dimensions,
        max_position_embeddings=encoder_facts.positions(parent),
        texts=sentences.count_texts(goal.dataset),
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        **tasks.of_dataset(goal.dataset).head(description),
    )
