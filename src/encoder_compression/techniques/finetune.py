"""Fine-tune a pretrained encoder on the task: the teacher of a study."""

from pathlib import Path

from transformers import PreTrainedModel

from encoder_compression.encoders import encoder_facts
from encoder_compression.training import artifacts, objectives
from encoder_compression.training.examples import of_train
from encoder_compression.training.heads import new_model, require_head
from encoder_compression.training.train import Goal, train


def finetune(*, encoder: Path, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the fine-tuned encoder to ``model`` and its training curve to ``curve``; returns facts.

    With freeze "encoder" the head alone is trained, with "embeddings" all but the embedding matrix. UserError where nothing
    is trained and the head would be a random one, or is for other classes.
    """
    if options["training"].get("epochs") == 0:
        require_head(encoder, goal)
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=[encoder, goal.dataset])
    tokenizer = encoder_facts.load_tokenizer(encoder)
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
