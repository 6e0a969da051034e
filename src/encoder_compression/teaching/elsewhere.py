"""A teacher of another experiment that answers beside its student: what both must share."""

from pathlib import Path

from encoder_compression.data import features
from encoder_compression.data.tasks import describe
from encoder_compression.encoders import encoder_facts
from encoder_compression.encoders.layers import match_layers
from encoder_compression.errors import UserError


def require_same_tokens(teacher: Path, student: Path, dataset: Path) -> None:
    """Raise UserError where a teacher cannot read what is tokenized for the encoder or model ``student``."""
    remedy = "give the loss 'hard' and 'soft' alone, or name a teacher of the student's tokenizer"
    if encoder_facts.load_tokenizer(teacher).get_vocab() != encoder_facts.load_tokenizer(student).get_vocab():
        raise UserError(f"the teacher {teacher} has another vocabulary than {student}, so it cannot read the student's tokens; {remedy}")
    if describe(dataset)["max_length"] > encoder_facts.positions(teacher):
        longest = encoder_facts.positions(teacher)
        raise UserError(f"the teacher {teacher} reads at most {longest} tokens; lower max_length of 'dataset' to that, or {remedy}")
    read = features.read(dataset, "train").column_names
    if "token_type_ids" in read and encoder_facts.token_types(teacher) < 2:
        raise UserError(f"the teacher {teacher} does not tell two texts apart by segments, as {student} does; {remedy}")


def matched_layers(rule: str | list[int], student_depth: int, teacher: Path) -> list[int]:
    """Return for each layer of a student the teacher's, counted from 1; "spread" as in TinyBERT (Jiao et al. 2020, section 4.1)."""
    return match_layers(rule, student_depth, depth=encoder_facts.depth(teacher))
