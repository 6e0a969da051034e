"""What a search tries: options of a step, each a range or choices, checked before anything runs; imports neither torch nor Optuna."""

import copy
import json
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

from encoder_compression.config.consistency import asks_teacher
from encoder_compression.errors import UserError, nearest

SEARCHABLE = ("finetune", "lora", "distill", "shrink", "prune", "qat")  # techniques that end with a validation score
# Options that say what a step reads and which rows there are, which must be known before anything runs.
SETTLED = ("control", "ensemble", "target.device", "teacher", "top_logits", "unlabelled", "version")
OF_STORAGE = ("bits", "block")  # of a qat step: what the quantize step behind it stores


def check(options: dict, *, schema: dict, validate: Callable[[dict], None], file: str) -> None:
    """Raise UserError, in one line with the remedy, where a search of the experiment in ``file`` cannot work.

    Every choice and both ends of every range are put into the step in turn, and the least choices of the loss's weights together,
    as a range never gives exactly its end. ``validate`` sees the whole options. Ranges of numbers that need not be whole become
    floats, in place: ``{low: 1, high: 8}``
    of a temperature has 2.5 in it.
    """
    for step, search in options["search"].items():
        technique = _technique(step, options, schema, file)
        for name, tried in search["space"].items():
            where = f"{file}: search.{step}.space: {name}"
            _check_kind(tried, _option(name, technique, schema, where), where)
            _check_settled(name, technique, options[technique][step], where)
            for value in tried_values(tried):
                _try(options, technique, step, {name: value}, validate, where)
        weights = {name: tried for name, tried in search["space"].items() if name.startswith("loss.")}
        least = {name: min(tried["choices"]) if "choices" in tried else tried["high"] for name, tried in weights.items()}
        if len(least) > 1:
            _try(options, technique, step, least, validate, f"{file}: search.{step}.space")
    _refuse_circles(options["search"], file)


def tried_values(tried: dict) -> list:
    """Return the choices, or both ends of the range."""
    return tried.get("choices") or [tried["low"], tried["high"]]


def _technique(step: str, options: dict, schema: dict, file: str) -> str:
    techniques = [section for section, part in schema["properties"].items() if part.get("$ref") == "#/$defs/steps"]
    found = {name: technique for technique in techniques for name in options[technique]}
    if step not in found:
        raise UserError(f"{file}: search: unknown step '{step}'{nearest(step, found)}")
    if found[step] not in SEARCHABLE:
        raise UserError(f"{file}: search.{step}: a {found[step]} step trains nothing by a score on validation; take it out")
    return found[step]


def _option(name: str, technique: str, schema: dict, where: str) -> dict:
    """Return the schema of an option by its dotted name."""
    part = schema["$defs"][technique]
    for key in name.split("."):
        known = part.get("properties", {})
        if key not in known:
            raise UserError(f"{where}: a {technique} step has no such option{nearest(key, known)}")
        part = known[key]
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return part


def _check_kind(tried: dict, option: dict, where: str) -> None:
    if "choices" in tried:
        return
    kind = option.get("type")
    if kind not in ("integer", "number"):
        raise UserError(f"{where}: not a number, so it has no range; give 'choices'")
    if "high" not in tried:
        raise UserError(f"{where}: a range has two ends; give 'high', too")
    if tried["low"] >= tried["high"]:
        raise UserError(f"{where}: 'low' {tried['low']} is not below 'high' {tried['high']}; swap them")
    if tried["log"] and tried["low"] <= 0:
        raise UserError(f"{where}: a logarithm needs 'low' above 0; raise it, or take 'log' out")
    if kind == "number":
        tried |= {end: float(tried[end]) for end in ("low", "high")}


def _check_settled(name: str, technique: str, own: dict, where: str) -> None:
    """Refuse what would change the files that a step reads, as Snakemake knows them before any trial."""
    if name in SETTLED:
        raise UserError(f"{where}: this says what the step reads or which rows there are; give it in the step, a step for each")
    if technique == "qat" and name in OF_STORAGE:
        raise UserError(f"{where}: a quantize step stores what this step trained for; give it in the step, a step for each")
    section, _, last = name.rpartition(".")
    if section and section not in own:
        raise UserError(f"{where}: the step has no '{section}'; give it one, such as '{section}: {{}}'")
    lacks_teacher = technique == "lora" and not asks_teacher(own["loss"])
    if section == "loss" and last != "hard" and (lacks_teacher or (last == "soft" and not own["loss"]["soft"])):
        raise UserError(f"{where}: the step gives it no weight and so reads no answers of a teacher; give it one there, whatever it is")


def _try(options: dict, technique: str, step: str, found: dict, validate: Callable[[dict], None], where: str) -> None:
    changed = options | {technique: options[technique] | {step: apply(options[technique][step], found)}, "search": {}}
    try:
        validate(copy.deepcopy(changed))
    except UserError as error:
        raise UserError(f"{where}: {str(error).partition(': ')[2]}") from None


def _refuse_circles(searches: dict, file: str) -> None:
    behind = {step: set(search.get("parent", "").split("+")) & set(searches) for step, search in searches.items()}
    try:
        TopologicalSorter(behind).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UserError(f"{file}: search: steps wait for each other's options, {circle}; give one another 'parent'") from None


def apply(own: dict, found: dict) -> dict:
    """Return a step's options with those found, dotted name -> value, in place of its own; ``own`` is not changed."""
    options = copy.deepcopy(own)
    for name, value in found.items():
        *sections, last = name.split(".")
        part = options
        for section in sections:
            part = part[section]
        part[last] = value
    return options


def encode(choices: list) -> list[str]:
    """Return choices, lists among them, as the texts that a journal keeps."""
    return [json.dumps(choice) for choice in choices]


def decode(params: dict, space: dict) -> dict:
    """Return the options, dotted name -> value, of what a journal kept about a trial."""
    return {name: json.loads(value) if "choices" in space[name] else value for name, value in params.items()}
