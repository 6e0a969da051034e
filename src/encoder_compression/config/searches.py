"""What a search tries: options of a step, each a range or choices, checked before anything runs; imports neither torch nor Optuna."""

import copy
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter

from encoder_compression.config.schema import resolve
from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import Mistake, nearest
from encoder_compression.study import teachers
from encoder_compression.study.chain import Chain
from encoder_compression.study.nested import put, tried_values
from encoder_compression.study.techniques import TECHNIQUES

# Options that say what a step reads and which rows there are, which must be known before anything runs.
SETTLED = ("control", "ensemble", "soft_targets", "target.device", "teacher", "top_logits", "unlabelled", "version")


def find_mistakes(options: dict, *, schema: dict, validate: Callable[[dict], list[Mistake]]) -> Iterator[Mistake]:
    """Yield where a search of an experiment cannot work.

    Every choice and both ends of every range are put into the step in turn, and the least choices of the loss's weights together,
    as a range never gives exactly its end. ``validate`` sees the whole options. Ranges of numbers that need not be whole become
    floats, in place: ``{low: 1, high: 8}`` of a temperature has 2.5 in it.
    """
    technique_of = {step: technique for technique in TECHNIQUES for step in options[technique]}
    for step, search in options["search"].items():
        if step not in technique_of:
            yield Mistake(("search",), f"unknown step '{step}'{nearest(step, technique_of)}", step)
        elif not TECHNIQUES[technique_of[step]].searchable:
            message = f"a {technique_of[step]} step trains nothing by a score on validation; take it out"
            yield Mistake(("search", step), message)
        else:
            yield from _of_space(search["space"], step, technique_of[step], options, schema, validate)
            if "folds" in search:
                steps = [name for name in (*Chain(search.get("parent", "")).steps, step) if name in technique_of]
                yield from _of_folds({name: options[technique_of[name]][name] for name in steps}, ("search", step), options)
    yield from _find_circle(options["search"])


def _of_space(space: dict, step: str, technique: str, options: dict, schema: dict, validate: Callable) -> Iterator[Mistake]:
    mistakes = {name: _wrong_range(name, tried, technique, options[technique][step], schema) for name, tried in space.items()}
    for name, message in mistakes.items():
        if message:
            yield Mistake(("search", step, "space"), f"{name}: {message}", name)
        else:
            for value in tried_values(space[name]):
                yield from _try(options, technique, step, {name: value}, validate, name)
    weights = {name: tried for name, tried in space.items() if name.startswith("loss.") and not mistakes[name]}
    least = {name: min(tried["choices"]) if "choices" in tried else tried["high"] for name, tried in weights.items()}
    if len(least) > 1:
        yield from _try(options, technique, step, least, validate, "")


def _of_folds(steps: dict[str, dict], place: tuple[str, ...], options: dict) -> Iterator[Mistake]:
    """Yield what would have seen the texts that a fold leaves out; ``steps`` are those of the searched chain, with their options."""
    if options["task"] == MASKED:
        yield Mistake(place, "folds are of texts with labels, and a corpus has none; take it out, validation alone then scores", "folds")
    if "vocabulary_of_train" in options["encoder"].get("random", {}):
        message = "the encoder's vocabulary is made of all of train, of which folds leave a part out; give it 'vocabulary_from'"
        yield Mistake(place, f"{message}, or take 'folds' out", "folds")
    for name in (name for name, step in steps.items() if not teachers.in_chain(step)):
        message = f"the soft targets of '{name}' come from elsewhere, and may know what a fold leaves out"
        yield Mistake(place, f"{message}; name a step of the chain as its teacher, or take 'folds' out", "folds")


def _wrong_range(name: str, tried: dict, technique: str, step_options: dict, schema: dict) -> str | None:
    """Return why an option cannot be searched as it is asked for; None where it can."""
    part = schema["$defs"][technique]
    for key in name.split("."):
        known = resolve(part, schema).get("properties", {})
        if key not in known:
            return f"a {technique} step has no such option{nearest(key, known)}"
        part = known[key]
    kind = resolve(part, schema).get("type")
    return _wrong_kind(tried, kind[0] if isinstance(kind, list) else kind) or _settled(name, technique, step_options)


def _wrong_kind(tried: dict, kind: str | None) -> str | None:
    """Return what is wrong with a range of an option of this kind; numbers that need not be whole become floats, in place."""
    if "choices" in tried:
        return None
    if kind not in ("integer", "number"):
        return "not a number, so it has no range; give 'choices'"
    if "high" not in tried:
        return "a range has two ends; give 'high', too"
    if tried["low"] >= tried["high"]:
        return f"'low' {tried['low']} is not below 'high' {tried['high']}; swap them"
    if tried["log"] and tried["low"] <= 0:
        return "a logarithm needs 'low' above 0; raise it, or take 'log' out"
    if kind == "number":
        tried |= {end: float(tried[end]) for end in ("low", "high")}
    return None


def _settled(name: str, technique: str, step_options: dict) -> str | None:
    """Return why an option would change the files that a step reads, as Snakemake knows them before any trial."""
    if name in SETTLED or name.split(".")[0] in SETTLED:
        return "this says what the step reads or which rows there are; give it in the step, a step for each"
    if name in TECHNIQUES[technique].settled:
        return "a quantize step stores what this step trained for; give it in the step, a step for each"
    section, _, last = name.rpartition(".")
    if section and section not in step_options:
        return f"the step has no '{section}'; give it one, such as '{section}: {{}}'"
    lacks_teacher = not TECHNIQUES[technique].taught(step_options)
    if section == "loss" and last != "hard" and (lacks_teacher or (last == "soft" and not step_options["loss"]["soft"])):
        return "the step gives it no weight and so reads no answers of a teacher; give it one there, whatever it is"
    return None


def _try(options: dict, technique: str, step: str, values: dict, validate: Callable, name: str) -> Iterator[Mistake]:
    """Yield what is wrong in the options with those of a trial, as mistakes in ``name`` of the space."""
    changed = options | {technique: options[technique] | {step: put(options[technique][step], values)}, "search": {}}
    for mistake in validate(copy.deepcopy(changed)):
        yield Mistake(("search", step, "space"), ": ".join(filter(None, (name, mistake.words()))), name)


def _find_circle(searches: dict) -> Iterator[Mistake]:
    behind = {step: set(Chain(search.get("parent", "")).steps) & set(searches) for step, search in searches.items()}
    try:
        TopologicalSorter(behind).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        yield Mistake(("search",), f"steps wait for each other's options, {circle}; give one another 'parent'")
