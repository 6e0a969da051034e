"""Options within options: laid over each other, found by dotted names, and what a search tries of them."""

import copy
import json

# Keys of which a section has one: how long to train, how much to remove.
EXCLUSIVE = ({"epochs", "steps", "seconds"}, {"remove", "target"})
# Sections that are given wholly or not at all.
WHOLE = ("weights",)


def merge(below: dict, above: dict) -> dict:
    """Return a deep merge of two dicts in which ``above`` wins, also with "steps" over "epochs"; neither is changed."""
    replaced = {key for keys in EXCLUSIVE if keys & above.keys() for key in keys}
    merged = copy.deepcopy({key: value for key, value in below.items() if key not in replaced - above.keys()})
    for key, value in above.items():
        both_dicts = key not in WHOLE and isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both_dicts else copy.deepcopy(value)
    return merged


def put(options: dict, values: dict) -> dict:
    """Return a step's options with the ``values``, dotted name -> value, in place of its own; ``options`` is not changed."""
    changed = copy.deepcopy(options)
    for name, value in values.items():
        *sections, last = name.split(".")
        part = changed
        for section in sections:
            part = part[section]
        part[last] = value
    return changed


def tried_values(tried: dict) -> list:
    """Return what a search tries of an option: its choices, or both ends of its range."""
    return tried.get("choices") or [tried["low"], tried["high"]]


def encode(choices: list) -> list[str]:
    """Return choices, lists among them, as the texts that a journal keeps."""
    return [json.dumps(choice) for choice in choices]


def decode(params: dict, space: dict) -> dict:
    """Return the options, dotted name -> value, of what a journal kept about a trial."""
    return {name: json.loads(value) if "choices" in space[name] else value for name, value in params.items()}
