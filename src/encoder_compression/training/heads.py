"""The head of the task on an encoder: its own where that is for the same classes in the same order, else a new one."""

from pathlib import Path

from transformers import PreTrainedModel, set_seed

from encoder_compression.data import tasks
from encoder_compression.data.tasks.labels import is_among, match
from encoder_compression.encoders import pretrained
from encoder_compression.encoders.encoder_facts import classification_head, head_outputs
from encoder_compression.errors import UserError
from encoder_compression.training.train import Goal


def new_model(encoder: Path, goal: Goal) -> PreTrainedModel:
    """Return the encoder with a head for the task: its own where that is for the same classes, else one drawn with the goal's seed."""
    task, description = tasks.of_dataset(goal.dataset), tasks.describe(goal.dataset)
    auto_class = pretrained.class_for(task.HUB_NAME)
    set_seed(goal.seed)
    if _is_for_others(encoder, auto_class, description):
        return pretrained.with_new_head(encoder, auto_class, task.head(description))
    return pretrained.add_head(encoder, auto_class, task.head(description))


def require_head(encoder: Path, goal: Goal) -> None:
    """Raise UserError where the encoder has no head for the task, or one for other classes."""
    task, description = tasks.of_dataset(goal.dataset), tasks.describe(goal.dataset)
    auto_class = pretrained.class_for(task.HUB_NAME)
    if _is_for_others(encoder, auto_class, description):
        raise UserError(f"{_mismatch(encoder, description)} Or give the step's training more than 0 epochs, and it gets a new head.")
    if pretrained.lacks_head(encoder, auto_class, task.head(description)):
        raise UserError(
            f"the encoder has no head for {task.HUB_NAME}, and a random one would be measured and taught from; "
            "give the step's training more than 0 epochs, with 'freeze: encoder' to train the head alone"
        )


def _is_for_others(encoder: Path, auto_class: str, description: dict) -> bool:
    """Say whether the encoder has a head of the class that answers something else than the data set asks."""
    outputs = head_outputs(encoder) if auto_class.endswith("ForSequenceClassification") else None
    if outputs is None:
        return False
    if "labels" not in description:  # a number
        return outputs != 1
    names = classification_head(encoder)
    in_order = list(range(len(description["labels"])))
    return names is None or (names != description.get("head") and match(description["labels"], names, values=None) != in_order)


def _mismatch(encoder: Path, description: dict) -> str:
    """Say what the head is for and what the data set holds, and how to map one to the other."""
    names = classification_head(encoder)
    if "labels" not in description or names is None:
        asked = f"{len(description['labels'])} classes" if "labels" in description else "a number"
        return f"the encoder's head has {head_outputs(encoder)} outputs, but the data set asks for {asked}; name another encoder."
    labels = description["labels"]
    said = f"the encoder's head is for the classes {names}, but the data set has the labels {labels}"
    strange = [label for label in labels if not is_among(label, names)]
    lacking = [name for name in names if not is_among(name, labels)]
    if len(labels) != len(names) or not strange or not lacking:
        return f"{said}: {len(names)} and {len(labels)} classes; name an encoder with a head for the classes of the data."
    return f"{said}; say which class each label is, such as 'dataset: {{label_map: {{{strange[0]}: {lacking[0]}, …}}}}'."
