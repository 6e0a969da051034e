"""Fine-tune a pretrained encoder on the task: the teacher of a study."""

import json
import shutil
from pathlib import Path

from transformers import PreTrainedModel, set_seed

from encoder_compression import encoders
from encoder_compression.training import artifacts, objectives
from encoder_compression.training.train import Task, train


def finetune(*, encoder: Path, task: Task, options: dict, model: Path, curve: Path) -> dict:
    """Write the fine-tuned encoder to ``model`` and its training curve to ``curve``; returns facts."""
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=task.seed, inputs=[encoder, task.dataset])
    tokenizer = encoders.load_tokenizer(encoder)
    network = new_classifier(encoder, task)
    history, facts = train(
        model=network,
        tokenizer=tokenizer,
        task=task,
        options=options["training"],
        objective=objectives.from_labels,
        checkpoints=checkpoints,
    )
    artifacts.publish(network, tokenizer, model, dataset=task.dataset)
    artifacts.write_curve(history, curve)
    shutil.rmtree(checkpoints)
    return facts


def new_classifier(encoder: Path, task: Task) -> PreTrainedModel:
    """Return the pretrained encoder with a new classification head, drawn with the task's seed."""
    names = json.loads((Path(task.dataset) / "dataset.json").read_text())["labels"]
    set_seed(task.seed)
    return encoders.load_classifier(
        encoder,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )
