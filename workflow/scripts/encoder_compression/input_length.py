"""How many tokens an encoder reads at most, as far as its files say so before any job runs; imports no torch."""

import json
from pathlib import Path

from encoder_compression.errors import UserError

COUNTED_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")  # encoders whose first position follows that of padding


def longest_input(encoder: dict) -> int | None:
    """Return how many tokens the encoder of an experiment's options reads at most; None where that is not known yet.

    A key that config.json lacks has a default that only the architecture's class knows, so that nothing is known then.
    """
    if "random" in encoder:
        return encoder["random"]["positions"] - 2
    if "files" not in encoder:
        return None
    config, tokenizer = (_read_json(Path(encoder["files"]["folder"]) / name) for name in ("config.json", "tokenizer_config.json"))
    bounds = [_positions(config), tokenizer.get("model_max_length")]
    return min((int(bound) for bound in bounds if bound is not None), default=None)


def _positions(config: dict) -> int | None:
    """Return how many tokens there are positions for; RoBERTa and its like count them from that of the padding token."""
    before = 0
    if config.get("model_type") in COUNTED_FROM_PADDING:
        before = config.get("pad_token_id", "unknown")
        before = before + 1 if isinstance(before, int) else None
    rows = config.get("max_position_embeddings")
    return None if rows is None or before is None else rows - before


def _read_json(path: Path) -> dict:
    """Return what a file of a local encoder says, nothing where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path}: no valid JSON, {error}; fetch the encoder again") from None
