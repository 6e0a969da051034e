"""How many tokens an encoder reads at most, as far as its files say so before any job runs; imports no torch."""

from collections.abc import Iterator

from encoder_compression.encoders.encoder_facts import positions
from encoder_compression.encoders.layers import local_folder
from encoder_compression.encoders.safety import read_json
from encoder_compression.errors import Mistake


def longest_input(encoder: dict) -> int | None:
    """Return how many tokens the encoder of an experiment's options reads at most; None where that is not known yet."""
    if "random" in encoder:
        return encoder["random"]["positions"] - 2
    folder = local_folder(encoder)
    if folder is None:
        return None
    tokenizer = folder / "tokenizer_config.json"
    longest = read_json(tokenizer).get("model_max_length") if tokenizer.exists() else None
    return min(int(bound) for bound in (positions(folder), longest) if bound is not None)


def find_mistakes(options: dict) -> Iterator[Mistake]:
    """Yield where inputs of the data set are longer than a local encoder reads."""
    length, most = options["dataset"]["max_length"], longest_input(options["encoder"])
    if most is not None and length > most:
        yield Mistake(("dataset", "max_length"), f"{length} is more than the {most} tokens that the encoder reads; give at most {most}")
