"""Encoders whose files are changed for a test."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file


def change(path: Path, remove: tuple[str, ...] = (), **keys) -> None:
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = {key: value for key, value in old.items() if key not in remove}
    path.write_text(json.dumps(content | keys), encoding="utf-8")


def split_weights(given: Path, count: int) -> list[str]:
    """Put the weights into shards as transformers does; returns their names."""
    tensors = load_file(given / "model.safetensors")
    (given / "model.safetensors").unlink()
    names = [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    weight_map = {tensor: names[index % count] for index, tensor in enumerate(sorted(tensors))}
    for name in names:
        part = {tensor: tensors[tensor].clone() for tensor, place in weight_map.items() if place == name}
        save_file(part, given / name, {"format": "pt"})
    (given / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")
    return names
