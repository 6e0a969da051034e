"""How many tokens an encoder reads at most, as far as its files say so before any job runs; imports no torch."""

from encoder_compression.encoders.encoder_facts import positions
from encoder_compression.encoders.layers import local_folder
from encoder_compression.encoders.safety import read_json


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
