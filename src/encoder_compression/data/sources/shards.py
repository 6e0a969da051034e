"""Weights in several safetensors files (shards), as transformers writes those of large encoders: their names, and one file of them."""

import re
from pathlib import Path

from encoder_compression.encoders.encoder_facts import WEIGHTS
from encoder_compression.encoders.safety import read_json
from encoder_compression.errors import UserError

INDEX = f"{WEIGHTS}.index.json"
NAME = re.compile(r"[\w.-]+\.safetensors")  # a file of the same folder


def names(folder: Path) -> list[str]:
    """Return the names of the shards that the index of a folder lists; UserError where it lists other files."""
    listed = read_json(folder / INDEX).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) and NAME.fullmatch(name) for name in listed.values()):
        raise UserError(f"{INDEX} of the encoder: 'weight_map' must map tensors to .safetensors files beside it; fetch the encoder again")
    return sorted(set(listed.values()))


def join(folder: Path, target: Path) -> None:
    """Write all tensors of a folder's shards to one safetensors file; UserError where a shard or a tensor is missing."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    tensors = {}
    for name in names(folder):
        if not (folder / name).exists():
            raise UserError(f"the encoder has no {name}, which {INDEX} lists; fetch the encoder again")
        try:
            tensors |= load_file(folder / name)
        except SafetensorError as error:
            raise UserError(f"{name} of the encoder cannot be read ({error}); fetch the encoder again") from None
    missing = sorted(read_json(folder / INDEX)["weight_map"].keys() - tensors.keys())
    if missing:
        raise UserError(f"no shard of the encoder holds '{missing[0]}', which {INDEX} lists; fetch the encoder again")
    save_file(tensors, target, metadata={"format": "pt"})
