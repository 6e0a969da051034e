"""Fine-tune a pretrained encoder on the task: the teacher of a study."""

from pathlib import Path

from transformers import PreTrainedModel, set_seed

from encoder_compression import encoders, tasks
from encoder_compression.errors import UserError
from encoder_compression.training import artifacts, objectives
from encoder_compression.training.examples import of_train
from encoder_compression.training.train import Goal, train


def finetune(*, encoder: Path, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the fine-tuned encoder to ``model`` and its training curve to ``curve``; returns facts.

    With freeze "encoder" the head alone is trained, with "embeddings" all but the table of words. UserError where nothing
    is trained and the head would be a random one.
    """
    if options["training"].get("epochs") == 0:
        _require_head(encoder, goal)
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=[encoder, goal.dataset])
    tokenizer = encoders.load_tokenizer(encoder)
    network = new_model(encoder, goal)
    _freeze(network, options.get("freeze"))
    history, facts = train(
        model=network,
        tokenizer=tokenizer,
        goal=goal,
        options=options["training"],
        objective=objectives.from_labels,
        checkpoints=checkpoints,
        examples=of_train(goal.dataset, goal.seed),
        ramp=None,
    )
    artifacts.publish(network, tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(history, curve)
    artifacts.drop_checkpoints(checkpoints)
    return facts


def _freeze(network: PreTrainedModel, part: str | None) -> None:
    frozen = {"encoder": network.base_model, "embeddings": network.get_input_embeddings()}
    if part:
        frozen[part].requires_grad_(False)


def _require_head(encoder: Path, goal: Goal) -> None:
    """Raise UserError where the encoder has no head for the task."""
    task = tasks.of_dataset(goal.dataset)
    if encoders.lacks_head(encoder, task.AUTO_CLASS, task.head(tasks.describe(goal.dataset))):
        raise UserError(
            f"the encoder has no head for {task.HUB_NAME}, and a random one would be measured and taught from; "
            "give the step's training more than 0 epochs, with 'freeze: encoder' to train the head alone"
        )


def new_model(encoder: Path, goal: Goal) -> PreTrainedModel:
    """Return the pretrained encoder with a new head for the task, drawn with the goal's seed."""
    task = tasks.of_dataset(goal.dataset)
    set_seed(goal.seed)
    return encoders.add_head(encoder, task.AUTO_CLASS, task.head(tasks.describe(goal.dataset)))
