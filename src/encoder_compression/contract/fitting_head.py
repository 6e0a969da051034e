"""Whether the model that was given is fine-tuned for the table's task already, and may be the teacher as it is."""

from pathlib import Path

from encoder_compression.data import tasks
from encoder_compression.encoders import encoder_facts

NEW = "the model has no head for this task: it is fine-tuned first, as the teacher"
FITS = "the model has a head for this task: it is the teacher as it is"


def fits(base: Path, dataset: Path) -> bool:
    """Say whether an encoder has the head that a data set asks for: one output a class of the same names, one number, or a span's two."""
    described = tasks.describe(dataset)
    if described["task"] == "classification":
        return "head" in described
    if described["task"] == "regression":
        return encoder_facts.head_outputs(base) == 1
    return encoder_facts.has_span_head(base)


def in_words(base: Path, dataset: Path, file: Path) -> list[str]:
    """Return what the data set says of labels and texts, and what becomes of the model; ``file`` is that of the experiment."""
    described = tasks.describe(dataset)
    foreign = described["task"] == "classification" and encoder_facts.classification_head(base) and "head" not in described
    remedy = [f"'label_map' under 'dataset' in {file} renames the labels of the table, if they are those of the head"] if foreign else []
    return [*described.get("warnings", []), FITS if fits(base, dataset) else NEW, *remedy]
