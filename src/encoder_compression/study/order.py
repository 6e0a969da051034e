"""Which chains of steps can work: the order of techniques, and what a step asks of those before it."""

from encoder_compression.config.consistency import MASKED
from encoder_compression.config.load import CONTROL
from encoder_compression.encoders.encoder_facts import require_all_heads
from encoder_compression.encoders.layers import choose_layers, depth, local_folder
from encoder_compression.errors import UserError
from encoder_compression.search.space import tried_values

OF_CORPUS = ("finetune", "distill")  # techniques for a model that guesses words, before any task


def check(study, variant: str) -> None:
    """Raise UserError where the chain has an unknown step or an order that cannot work."""
    steps = variant.split("+")
    techniques = [study.technique(step) for step in steps]
    where = f"{study.name}: variant '{variant}'"
    if study.options["task"] == MASKED:
        _check_of_corpus(where, dict(zip(steps, techniques, strict=True)))
    if techniques[0] not in ("finetune", "lora"):
        raise UserError(f"{where}: a chain begins with a finetune or lora step, but '{steps[0]}' is a {techniques[0]} step")
    if study.is_taught(steps[0]):
        raise UserError(f"{where}: '{steps[0]}' learns from a teacher, but comes first; put it after one, or take 'loss' out")
    for index, (step, technique) in enumerate(zip(steps[1:], techniques[1:], strict=True), start=1):
        _check_order(where, step, technique, dict(zip(techniques[:index], steps[:index], strict=True)))
        _check_options(study, where, step, steps[:index])
    _check_heads(study, where, dict(zip(steps, techniques, strict=True)))
    _check_layers(study, where, [step for step in steps if study.technique(step) == "distill"])


def _check_order(where: str, step: str, technique: str, before: dict[str, str]) -> None:
    """Raise UserError where the technique cannot come behind those ``before``, which map to the last step of each."""
    if technique == "finetune":
        raise UserError(f"{where}: '{step}' is a finetune step and must come first")
    if "quantize" in before:
        raise UserError(f"{where}: '{step}' needs weights, but follows the quantized step '{before['quantize']}'")
    if "trim" in before and technique != "quantize":
        raise UserError(f"{where}: '{step}' would read what '{before['trim']}' has cut; put it first, then trim, then quantize")
    if "qat" in before and technique not in ("trim", "quantize"):
        raise UserError(f"{where}: '{step}' would undo what '{before['qat']}' learnt for the quantization; put it first")
    if "prune" in before and technique in ("lora", "distill", "average", "shrink", "qat"):
        raise UserError(f"{where}: '{step}' would fill the zeros of '{before['prune']}'; put it first, then prune")
    if "shrink" in before and technique in ("distill", "shrink"):
        raise UserError(f"{where}: '{step}' needs whole layers, but follows '{before['shrink']}'; shrink once, after distilling")


def _check_options(study, where: str, step: str, before: list[str]) -> None:
    """Raise UserError where the options of a step do not fit the steps ``before`` it."""
    technique, own = study.technique(step), study.step_options(step)
    if technique == "average":
        _check_averaged(study, where, step, "+".join(before))
    if technique == "quantize":
        _check_rounding(study, where, step, before)
    if technique == "prune":
        _check_sparsity(study, where, step, before)
    if technique == "lora" and own["start"] == "pretrained":
        _check_start(study, where, step, before)
    if technique == "lora":
        _check_adapter(study, where, step, before)
    if study.is_taught(step) and own["teacher"] not in before:
        raise UserError(f"{where}: the teacher of '{step}' is '{own['teacher']}', which does not come before it")


def _check_start(study, where: str, step: str, before: list[str]) -> None:
    """Raise UserError where nothing of the steps ``before`` would be left in updates of the pretrained encoder."""
    if len(before) > 1:
        raise UserError(f"{where}: '{step}' starts from the pretrained encoder and would lose '{before[-1]}'; take 'start' out")
    if not study.is_taught(step) and not step.endswith(CONTROL):
        raise UserError(
            f"{where}: '{step}' starts from the pretrained encoder and learns from labels alone, so nothing of '{before[-1]}' is left; "
            "put it first, or give 'soft' of its loss a weight"
        )


def _check_adapter(study, where: str, step: str, before: list[str]) -> None:
    """Raise UserError where an adapter would belong to matrices that the files of its model do not hold in that shape."""
    options = study.step_options(step)
    shrunk = [other for other in before if study.technique(other) == "shrink" and options["start"] == "finetuned"]
    for key in (key for key in ("dora", "qlora") if options[key] and shrunk):
        raise UserError(f"{where}: '{step}' with {key} needs all attention heads, but follows '{shrunk[-1]}'; take '{key}' out")


def _check_heads(study, where: str, techniques: dict[str, str]) -> None:
    """Raise UserError where a step needs all heads of a local encoder, and some are removed; of other encoders the step's job says so."""
    folder = local_folder(study.options["encoder"])
    for step in (step for step, technique in techniques.items() if folder and technique in ("distill", "shrink")):
        try:
            require_all_heads(folder, f"'{step}'")
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _check_layers(study, where: str, students: list[str]) -> None:
    """Raise UserError where a student of the chain keeps layers that the encoder, or the student before it, does not have."""
    count = depth(study.options["encoder"])
    for step in students if count else ():
        own = study.step_options(step)
        rule = "first" if own["layers"] == "important" else own["layers"]  # as many, whichever they are
        try:
            count = len(choose_layers(rule, own["keep"], count))
        except UserError as error:
            raise UserError(f"{where}: '{step}': {error}") from None


def count_layers(study, variant: str) -> int | None:
    """Return how many layers the chain's model has, where that is known before any is made."""
    students = [study.step_options(step) for step in variant.split("+") if study.technique(step) == "distill"]
    if not students:
        return depth(study.options["encoder"])
    return len(students[-1]["layers"]) if isinstance(students[-1]["layers"], list) else students[-1]["keep"]


def _check_of_corpus(where: str, techniques: dict[str, str]) -> None:
    for step, technique in techniques.items():
        if technique not in OF_CORPUS:
            raise UserError(
                f"{where}: '{step}' is a {technique} step, but a corpus is for {' and '.join(OF_CORPUS)} steps; "
                "take the variant before it as the encoder of an experiment with a task, and go on there"
            )


def _check_averaged(study, where: str, step: str, parent: str) -> None:
    """Raise UserError where a variant to average with cannot be made, has no weights, or is an average or the parent itself."""
    for other in study.step_options(step)["with"]:
        if other == parent:
            raise UserError(f"{where}: '{step}' averages '{parent}' with itself; name others under 'with'")
        ends = [study.technique(one) for one in other.split("+")]
        if "average" in ends or "quantize" in ends:
            raise UserError(f"{where}: '{step}' averages with '{other}', which must have weights of its own; name what it is made of")
        check(study, other)
        counts = count_layers(study, parent), count_layers(study, other)
        if None not in counts and counts[0] != counts[1]:
            raise UserError(
                f"{where}: '{step}' averages {counts[0]} layers of '{parent}' with {counts[1]} of '{other}'; name models of one shape"
            )


def _check_sparsity(study, where: str, step: str, before: list[str]) -> None:
    for other in before:
        if study.technique(other) == "prune" and min(_sparsities(study, step)) < max(_sparsities(study, other)):
            raise UserError(f"{where}: '{step}' asks for fewer zeros than '{other}' before it, but zeros stay; swap the two")


def _sparsities(study, step: str) -> list[float]:
    """Return the sparsity of a pruning step, or the ends or choices of those that a search may give it."""
    tried = study.options["search"].get(step, {"space": {}})["space"].get("sparsity")
    return tried_values(tried) if tried else [study.step_options(step)["sparsity"]]


def _check_rounding(study, where: str, step: str, before: list[str]) -> None:
    """Raise UserError where a quantize step stores other numbers than those that a qat step before it has trained for."""
    for aware in (other for other in before if study.technique(other) == "qat" and not other.endswith(CONTROL)):
        quantized, learnt = study.step_options(step), study.step_options(aware)
        stored = (quantized["bits"], quantized["block"]) if quantized["method"] == "weights" else (8, learnt["block"])
        if stored != (learnt["bits"], learnt["block"]):
            raise UserError(
                f"{where}: '{aware}' trains for {learnt['bits']} bits, but '{step}' stores others; "
                "bits: 8 is for the methods dynamic and openvino, bits: 4 for weights with the same block"
            )
