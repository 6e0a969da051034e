"""Controls: the counterparts of rows, which had the same training without what the row is about."""

from encoder_compression.study.chain import Chain, control_name, controlled, is_control
from encoder_compression.study.nested import merge
from encoder_compression.study.technique import Technique, trains
from encoder_compression.study.techniques import TECHNIQUES


def technique_of(step: str, options: dict) -> Technique | None:
    """Return the technique that an experiment's step configures; None where there is no such step."""
    return next((technique for technique in TECHNIQUES.values() if step in options[technique.name]), None)


def control_of(variant: str, options: dict) -> Chain | None:
    """Return the variant that one is to beat, such as ``teacher+even3-control``; None where its last step has none.

    Of steps in a row that add up all are left out, so that the control has the training of all: ``teacher+a-control+b-control``. One that
    teaches a step behind it stays, as the control, too, has its teacher before it.
    What a qat step is for shows once quantized, so whatever follows it has a control too: ``teacher+a-control+int8``.
    """
    steps = Chain(variant).steps
    techniques = [technique_of(step, options) for step in steps]
    shown_later = (index for index, technique in enumerate(techniques) if technique and technique.shows_later)
    last = next(shown_later, len(steps) - 1)
    technique = techniques[last]
    if not technique or not _has_control(technique, options[technique.name][steps[last]]):
        return None
    first = last
    while first and technique.adds_up and techniques[first - 1] is technique and not _teaches(steps[first - 1], steps[first:], options):
        first -= 1
    return Chain.of([*steps[:first], *map(control_name, steps[first : last + 1]), *steps[last + 1 :]])


def _teaches(step: str, behind: tuple[str, ...], options: dict) -> bool:
    """Say whether a step is the teacher of one behind it."""
    return any(options[technique_of(name, options).name][name].get("teacher") == step for name in behind if technique_of(name, options))


def _has_control(technique: Technique, step_options: dict) -> bool:
    wanted = technique.control is not None and step_options["control"]
    return wanted and trains(step_options) and technique.taught(step_options)


def add_controls(options: dict) -> None:
    """Add, after each variant whose last step asks for it, its control: the same training without what the step is about."""
    chains = [chain for variant in options["variants"] for chain in (variant, control_of(variant, options)) if chain]
    for step in {step for chain in chains for step in Chain(chain).steps if is_control(step)}:
        technique = technique_of(controlled(step), options)
        options[technique.name][step] = control_options(technique, options[technique.name][controlled(step)])
    options["variants"] = list(dict.fromkeys(map(str, chains)))  # some may have been named by the user, too


def control_options(technique: Technique, step_options: dict) -> dict:
    """Return the options of the control of a step; a student that starts from another experiment's model starts there in both."""
    kept = {key: value for key, value in step_options.items() if key not in technique.control.amounts}
    starts_elsewhere = isinstance(step_options.get("start"), dict)
    without = {key: value for key, value in technique.control.without.items() if key != "start" or not starts_elsewhere}
    return merge(kept, without | {"control": False})


def taken(step: str, technique: Technique, searched: dict) -> dict:
    """Return which of the options found for a step, dotted name -> value, it takes: a control not those of what it lacks."""
    if not is_control(step):
        return dict(searched)
    lacking = {*technique.control.without, *technique.control.amounts}
    return {name: value for name, value in searched.items() if name.split(".")[0] not in lacking}
