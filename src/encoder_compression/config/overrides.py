"""What the command line gives: it overrides the files of experiments and config.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from encoder_compression.config import yaml_files
from encoder_compression.config.mistakes import Layer, places_of
from encoder_compression.study.nested import merge


@dataclass(frozen=True)
class Overrides:
    """Options of the command line, and the layers that they come from, the nearest first."""

    options: dict
    layers: tuple[Layer, ...]


NOTHING = Overrides({}, ())


def given(config: Mapping, files: list[Path]) -> Overrides:
    """Return what --config gives over the files of --configfile, of which the last one wins."""
    options, layers = {}, []
    for file in files:
        written, lines = yaml_files.read_with_lines(file)
        options, layers = merge(options, written), [Layer(yaml_files.name_of(file), lines), *layers]
    typed = {key: _typed(value) for key, value in config.items()}  # a value that is no list or mapping Snakemake has read itself
    lines = {place: 0 for key, value in typed.items() for place in places_of(value, (key,))}
    return Overrides(merge(options, typed), (Layer("--config", lines), *layers))


def _typed(value):
    """Return lists and mappings with numbers, true and false as YAML reads them, where Snakemake leaves texts; nothing else is changed."""
    if isinstance(value, dict):
        return {key: _typed(_scalar(part)) for key, part in value.items()}
    return [_typed(_scalar(part)) for part in value] if isinstance(value, list) else value


def _scalar(text):
    """Return the number, true or false that a text is to YAML; anything else as it is."""
    try:
        value = yaml.safe_load(text) if isinstance(text, str) else text
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float) else text
