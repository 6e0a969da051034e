"""What a search tries: options of a step, each a range or choices, checked before anything runs; imports neither torch nor Optuna."""

import copy
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

from encoder_compression.errors import UserError, nearest
from encoder_compression.study.chain import Chain
from encoder_compression.study.nested import put, tried_values
from encoder_compression.study.techniques import TECHNIQUES

# Options that say what a step reads and which rows there are, which must be known before anything runs.
SETTLED = ("control", "ensemble", "target.device", "teacher", "top_logits", "unlabelled", "version")


def check(options: dict, *, schema: dict, validate: Callable[[dict], None], file: str) -> None:
    """Raise UserError, in one line with the remedy, where a search of the experiment in ``file`` cannot work.

    Every choice and both ends of every range are put into the step in turn, and the least choices of the loss's weights together,
    as a range never gives exactly its end. ``validate`` sees the whole options. Ranges of numbers that need not be whole become
    floats, in place: ``{low: 1, high: 8}``
    of a temperature has 2.5 in it.
    """
    for step, search in options["search"].items():
        technique = _technique(step, options, file)
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


def _technique(step: str, options: dict, file: str) -> str:
    techniques = {step_name: name for name in TECHNIQUES for step_name in options[name]}
    if step not in techniques:
        raise UserError(f"{file}: search: unknown step '{step}'{nearest(step, techniques)}")
    if not TECHNIQUES[techniques[step]].searchable:
        raise UserError(f"{file}: search.{step}: a {techniques[step]} step trains nothing by a score on validation; take it out")
    return techniques[step]


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
    if name in TECHNIQUES[technique].settled:
        raise UserError(f"{where}: a quantize step stores what this step trained for; give it in the step, a step for each")
    section, _, last = name.rpartition(".")
    if section and section not in own:
        raise UserError(f"{where}: the step has no '{section}'; give it one, such as '{section}: {{}}'")
    lacks_teacher = "loss" in own and not TECHNIQUES[technique].taught(own)
    if section == "loss" and last != "hard" and (lacks_teacher or (last == "soft" and not own["loss"]["soft"])):
        raise UserError(f"{where}: the step gives it no weight and so reads no answers of a teacher; give it one there, whatever it is")


def _try(options: dict, technique: str, step: str, found: dict, validate: Callable[[dict], None], where: str) -> None:
    changed = options | {technique: options[technique] | {step: put(options[technique][step], found)}, "search": {}}
    try:
        validate(copy.deepcopy(changed))
    except UserError as error:
        raise UserError(f"{where}: {str(error).partition(': ')[2]}") from None


def _refuse_circles(searches: dict, file: str) -> None:
    behind = {step: set(Chain(search.get("parent", "")).steps) & set(searches) for step, search in searches.items()}
    try:
        TopologicalSorter(behind).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UserError(f"{file}: search: steps wait for each other's options, {circle}; give one another 'parent'") from None
