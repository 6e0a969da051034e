"""Which chains of steps can work: the order of techniques, and what a step asks of those before it."""

from encoder_compression.data.tasks import MASKED
from encoder_compression.encoders.encoder_facts import require_all_heads, require_possible
from encoder_compression.encoders.layers import (
    attention_heads,
    choose_layers,
    depth,
    hidden_size,
    local_folder,
    model_type,
    require_narrower,
)
from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain
from encoder_compression.study.teachers import in_chain
from encoder_compression.study.technique import Technique
from encoder_compression.study.techniques import TECHNIQUES


def check(study, variant: str) -> None:
    """Raise UserError where the chain has an unknown step or an order that cannot work."""
    chain = Chain(variant)
    if any(step != step.strip() for step in chain.steps):
        written = Chain.of(step.strip() for step in chain.steps)
        raise UserError(f"{study.name}: variant '{variant}': blanks stand between its steps; write '{written}'")
    techniques = {step: study.technique(step) for step in chain.steps or ("",)}
    where = f"{study.name}: variant '{variant}'"
    if study.options["task"] == MASKED:
        _check_of_corpus(where, techniques)
    _check_first(study, where, chain.first)
    for parent, step in zip(chain.prefixes, chain.steps[1:], strict=False):
        _check_order(where, step, techniques[step], {techniques[name].name: name for name in parent.steps})
        techniques[step].check(study, where, step, parent)
        if study.is_taught_in_chain(step) and study.step_options(step)["teacher"] not in parent.steps:
            raise UserError(f"{where}: the teacher of '{step}' is '{study.step_options(step)['teacher']}', which does not come before it")
    _check_architecture(study, where, techniques)
    _check_heads(study, where, techniques)
    _check_layers(study, where, chain)
    _check_widths(study, where, chain)


def _check_first(study, where: str, step: str) -> None:
    """Raise UserError where no chain can begin with the step."""
    technique = study.technique(step)
    if technique.elsewhere and not in_chain(study.step_options(step)):
        _check_first_student(where, step, study.step_options(step))
        return
    if not technique.begins:
        names = " or ".join(name for name, known in TECHNIQUES.items() if known.begins)
        raise UserError(f"{where}: a chain begins with a {names} step, but '{step}' is a {technique.name} step")
    if study.is_taught(step):
        raise UserError(f"{where}: '{step}' learns from a teacher, but comes first; put it after one, or take 'loss' out")


def _check_first_student(where: str, step: str, options: dict) -> None:
    """Raise UserError where a student that begins a chain asks for something of a model before it."""
    if isinstance(options["start"], dict):
        raise UserError(
            f"{where}: '{step}' begins the chain and starts from the experiment's encoder; name that model there, not in 'start'"
        )
    if options.get("layers") == "important":
        raise UserError(
            f"{where}: what a layer of '{step}' is worth shows in a trained model before it, but it comes first; name the layers"
        )


def _check_order(where: str, step: str, technique: Technique, before: dict[str, str]) -> None:
    """Raise UserError where the technique cannot come behind those ``before``, which map to the last step of each."""
    if not technique.follows:
        raise UserError(f"{where}: '{step}' is a {technique.name} step and must come first")
    for name in reversed(TECHNIQUES):  # the last of the chain's story says most about what is wrong
        if name in before and name not in technique.follows:
            raise UserError(f"{where}: '{step}' {TECHNIQUES[name].refusal.format(before=before[name])}")


def _check_architecture(study, where: str, techniques: dict[str, Technique]) -> None:
    """Raise UserError where a step cannot work on the encoder's architecture, as far as that is known; else the step's job says so."""
    known = model_type(study.options["encoder"])
    for technique in techniques.values() if known else ():
        try:
            require_possible(known, technique.name)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _check_heads(study, where: str, techniques: dict[str, Technique]) -> None:
    """Raise UserError where a step needs all heads of a local encoder, and some are removed; of other encoders the step's job says so."""
    folder = local_folder(study.options["encoder"])
    for step in (step for step, technique in techniques.items() if folder and technique.needs_all_heads):
        try:
            require_all_heads(folder, f"'{step}'")
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _check_layers(study, where: str, chain: Chain) -> None:
    """Raise UserError where a student of the chain keeps layers that the encoder, or the student before it, does not have."""
    count = depth(study.options["encoder"])
    for step in chain.steps if count else ():
        options = study.step_options(step)
        if "layers" not in options:
            continue
        rule = "first" if options["layers"] == "important" else options["layers"]  # as many, whichever they are
        try:
            count = len(choose_layers(rule, options["keep"], count))
        except UserError as error:
            raise UserError(f"{where}: '{step}': {error}") from None


def _check_widths(study, where: str, chain: Chain) -> None:
    """Raise UserError where hidden states cannot become as narrow as a step asks, as far as that is known; else the step's job says so."""
    encoder = study.options["encoder"]
    known, width = model_type(encoder), hidden_size(encoder)
    for step, wanted in _widths(study, chain) if known else ():
        try:
            require_possible(known, "hidden_size")
            require_narrower(wanted, width=width, heads=attention_heads(encoder) * width // hidden_size(encoder))
        except UserError as error:
            raise UserError(f"{where}: '{step}': {error}") from None
        width = wanted


def _widths(study, chain: Chain) -> list[tuple[str, int]]:
    """Return the steps of a chain that narrow hidden states, with how wide these are behind each."""
    options = {step: study.step_options(step) for step in chain.steps}
    return [(step, options[step]["hidden_size"]) for step in chain.steps if "hidden_size" in options[step]]


def _check_of_corpus(where: str, techniques: dict[str, Technique]) -> None:
    for step, technique in techniques.items():
        if not technique.of_corpus:
            names = " and ".join(name for name, known in TECHNIQUES.items() if known.of_corpus)
            raise UserError(
                f"{where}: '{step}' is a {technique.name} step, but a corpus is for {names} steps; "
                "take the variant before it as the encoder of an experiment with a task, and go on there"
            )
