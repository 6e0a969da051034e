"""Whether the options of a step fit the steps before it, technique by technique."""

from encoder_compression.encoders.layers import depth, hidden_size, match_layers
from encoder_compression.encoders.quantization_config import BLOCK
from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain, is_control
from encoder_compression.study.nested import tried_values
from encoder_compression.study.teachers import in_chain


def none(study, where: str, step: str, before: Chain) -> None:
    """Refuse nothing: a technique whose options fit any step."""


def lora(study, where: str, step: str, before: Chain) -> None:
    """Refuse a lora step of whose parent nothing would be left, or whose adapter would not fit the files of its parent."""
    if study.step_options(step)["start"] != "pretrained":
        _refuse_removed_heads(study, where, step, before)
        return
    if len(before.steps) > 1:
        raise UserError(f"{where}: '{step}' starts from the pretrained encoder and would lose '{before.last}'; take 'start' out")
    if not study.is_taught(step) and not is_control(step):
        raise UserError(
            f"{where}: '{step}' starts from the pretrained encoder and learns from labels alone, so nothing of '{before.last}' is left; "
            "put it first, or give 'soft' of its loss a weight"
        )


def _refuse_removed_heads(study, where: str, step: str, before: Chain) -> None:
    """Refuse updates that depend on the shape of whole matrices where attention heads were removed: their files have all heads."""
    options, shrunk = study.step_options(step), [name for name in before.steps if study.technique(name).name == "shrink"]
    for key in (key for key in ("dora", "qlora") if options[key] and shrunk):
        raise UserError(f"{where}: '{step}' with {key} needs all attention heads, but follows '{shrunk[-1]}'; take '{key}' out")


def distill(study, where: str, step: str, before: Chain) -> None:
    """Refuse a student whose layers are compared with more or fewer layers, or with some that its teacher does not have."""
    options = study.step_options(step)
    rules, count = _tried(study, step, "layer_map"), count_layers(study, before.then(step))
    in_this_chain = rules and in_chain(options) and options["teacher"] in before.steps
    teacher_depth = count_layers(study, before.up_to(options["teacher"])) if in_this_chain else None
    for rule in rules if count and teacher_depth else []:
        try:
            match_layers(rule, count, depth=teacher_depth)
        except UserError as error:
            raise UserError(f"{where}: '{step}': {error}") from None


def average(study, where: str, step: str, before: Chain) -> None:
    """Refuse a variant to average with that cannot be made, has no weights, or is an average or the parent itself."""
    for variant in map(Chain, study.step_options(step)["with"]):
        if variant == before:
            raise UserError(f"{where}: '{step}' averages '{before}' with itself; name others under 'with'")
        names = [study.technique(name).name for name in variant.steps]
        if "average" in names or not study.has_weights(variant):
            raise UserError(f"{where}: '{step}' averages with '{variant}', which must have weights of its own; name what it is made of")
        study.check(variant)
        counts = count_layers(study, before), count_layers(study, variant)
        if None not in counts and counts[0] != counts[1]:
            raise UserError(
                f"{where}: '{step}' averages {counts[0]} layers of '{before}' with {counts[1]} of '{variant}'; name models of one shape"
            )
        widths = count_numbers(study, before), count_numbers(study, variant)
        if None not in widths and widths[0] != widths[1]:
            raise UserError(
                f"{where}: '{step}' averages hidden states of {widths[0]} numbers of '{before}' with {widths[1]} of '{variant}'; "
                "name models of one shape"
            )


def prune(study, where: str, step: str, before: Chain) -> None:
    """Refuse a prune step that asks for fewer zeros than one before it."""
    for earlier in before.steps:
        if study.technique(earlier).name == "prune" and min(_tried(study, step, "sparsity")) < max(_tried(study, earlier, "sparsity")):
            raise UserError(f"{where}: '{step}' asks for fewer zeros than '{earlier}' before it, but zeros stay; swap the two")


def _tried(study, step: str, option: str) -> list:
    """Return an option of a step, or the ends or choices of those that a search may give it; nothing where it has neither."""
    tried = study.options["search"].get(step, {"space": {}})["space"].get(option)
    options = study.step_options(step)
    return tried_values(tried) if tried else [options[option]] if option in options else []


def quantize(study, where: str, step: str, before: Chain) -> None:
    """Refuse a quantize step that stores other numbers than a qat step before it has trained for, or that cannot cut rows into blocks."""
    quantized = study.step_options(step)
    for aware in (earlier for earlier in before.steps if study.technique(earlier).name == "qat" and not is_control(earlier)):
        learnt = study.step_options(aware)
        if _stored(quantized, learnt["block"]) != (learnt["bits"], learnt["block"]):
            raise UserError(
                f"{where}: '{aware}' trains for {learnt['bits']} bits, but '{step}' stores others; "
                "bits: 8 is for all methods that store 8, bits: 4 for weights with the same block"
            )
    width = count_numbers(study, before)
    if quantized["method"] == "bitsandbytes" and quantized["bits"] == 4 and width and width % BLOCK:
        raise UserError(
            f"{where}: '{step}' needs rows of whole blocks of {BLOCK} weights, but the hidden states have {width}; take bits: 8"
        )


def _stored(quantized: dict, block: int) -> tuple[int | None, int]:
    """Return the bits of the integers that a quantize step stores, and how many inputs share a scale.

    None where the bits stand for other numbers; ``block`` is what a qat step was told, which of 8 bits means nothing.
    """
    if quantized["method"] == "weights":
        return quantized["bits"], quantized["block"]
    return (None if quantized["bits"] == 4 else 8), block


def count_layers(study, variant: str) -> int | None:
    """Return how many layers the chain's model has, where that is known before any is made."""
    if not all(study.technique(step).keeps_layers for step in Chain(variant).steps):
        return 0
    students = [study.step_options(step) for step in Chain(variant).steps if "layers" in study.step_options(step)]
    if not students:
        return depth(study.options["encoder"])
    return len(students[-1]["layers"]) if isinstance(students[-1]["layers"], list) else students[-1]["keep"]


def count_numbers(study, variant: str) -> int | None:
    """Return how wide the hidden states of the chain's model are, where that is known before any is made."""
    widths = [study.step_options(step)["hidden_size"] for step in Chain(variant).steps if "hidden_size" in study.step_options(step)]
    return widths[-1] if widths else hidden_size(study.options["encoder"])
