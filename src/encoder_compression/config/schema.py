"""A JSON schema in a YAML file, and what its parts take from each other."""

from functools import reduce
from pathlib import Path

from encoder_compression.config import yaml_files

# Keywords that fill in defaults come first, so that all others see them: a part's own before those of a block that it takes.
FILLING = ("properties", "if", "$ref", "allOf")


def read(path: Path) -> dict:
    """Return the schema in a YAML file with its keywords in the order in which they apply, whatever their order in the file."""
    return _in_order(yaml_files.read(path))


def _in_order(part):
    if isinstance(part, dict):
        return {key: _in_order(part[key]) for key in sorted(part, key=_rank)}
    return [_in_order(item) for item in part] if isinstance(part, list) else part


def _rank(keyword: str) -> int:
    return FILLING.index(keyword) if keyword in FILLING else len(FILLING)


def resolve(part: dict, schema: dict) -> dict:
    """Return a part of a schema with what it says itself laid over the block that it refers to; unchanged where it refers to none."""
    if "$ref" not in part:
        return part
    block = reduce(lambda node, key: node[key], part["$ref"].removeprefix("#/").split("/"), schema)
    return resolve(_lay_over(block, {key: value for key, value in part.items() if key != "$ref"}), schema)


def _lay_over(below: dict, above: dict) -> dict:
    both = {key: _lay_over(below[key], above[key]) for key in below.keys() & above.keys() if isinstance(above[key], dict)}
    return below | above | both
