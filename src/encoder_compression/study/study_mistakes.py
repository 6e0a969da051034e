"""What is wrong in the chains of an experiment, and in what names them."""

from collections.abc import Iterator

from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import Mistake, UserError, nearest
from encoder_compression.study import delivery_inputs
from encoder_compression.study.chain import Chain, controlled
from encoder_compression.study.forms import FORM_OF_RUNTIME


def find(study) -> Iterator[Mistake]:
    """Yield what is wrong in the chains of the experiment, and in what names them; what needs all chains only where these are right."""
    baseline = study.options["baseline"]["variant"]
    wrong = list(_find_wrong_chains(study))
    yield from wrong
    if any(mistake.place != ("search",) for mistake in wrong):
        return
    if not study.has_weights(baseline):
        ends = "in a quantized step" if Chain(baseline).parent else "as no neural network"
        yield Mistake(("baseline",), f"the baseline '{baseline}' must have weights, but ends {ends}", "variant")
    for variant in set(study.options["variants"]) - {row[0] for row in study.rows()}:
        yield _without_row(study, variant)
    yield from _find_uncompilable(study)
    for index, group in enumerate(study.options["compare"]):
        yield from (Mistake(("compare",), message, str(index)) for message in _find_incomparable(study, group))
    if "agreement" in study.options.get("gate", {}) and all(study.partner(row[0], row[2]) is None for row in study.rows()):
        yield Mistake(("gate", "agreement"), "the baseline is the only row and agrees with itself; add a variant, or take the clause out")
    if study.options.get("contract"):
        yield from _find_undeliverable(study)
    for index, variant in enumerate(study.options["profile"]):
        yield from (Mistake(("profile",), message, str(index)) for message in _find_missing_rows(study, [variant]))


def _find_wrong_chains(study) -> Iterator[Mistake]:
    """Yield the chains that cannot work. An added control is as right or wrong as what it is the control of."""
    baseline = study.options["baseline"]["variant"]
    written = [variant for variant in study.options["variants"] if not _is_added_control(study, variant)]
    for variant in written:
        yield from _refused(study, variant, ("variants",), variant)
    for variant in study.options["runtimes"]:
        yield from _refused(study, variant, ("runtimes",), variant)
    remedy = f"all rows are compared with the baseline '{baseline}': name yours in baseline.variant"
    yield from _refused(study, baseline, ("baseline",), "variant", remedy)
    for step in study.options["search"]:
        yield from _refused(study, study.searched_chain(step), ("search",), step, f"mend 'parent' of search.{step}")


def _is_added_control(study, variant: str) -> bool:
    plain = Chain.of(map(controlled, Chain(variant).steps))
    return plain != variant and plain in study.options["variants"]


def _refused(study, variant: str, place: tuple[str, ...], key: str, remedy: str = "") -> Iterator[Mistake]:
    """Yield why a chain cannot work, if it cannot."""
    try:
        study.check(variant)
    except UserError as error:
        message = str(error).removeprefix(f"{study.name}: ")
        yield Mistake(place, f"{message}; {remedy}" if remedy else message, key)


def _without_row(study, variant: str) -> Mistake:
    """Return why no device runs a variant."""
    able = [runtime for runtime, form in FORM_OF_RUNTIME.items() if form in study.forms(variant)]
    if set(able) & set(study.runtimes(variant)):
        return Mistake(("variants",), f"no device can run '{variant}'; add one with the runtime {able[0]}", variant)
    return Mistake(("runtimes",), f"'{variant}' runs in {' and '.join(able)} alone; name that, or take the line out", variant)


def _find_undeliverable(study) -> Iterator[Mistake]:
    """Yield why nothing can be delivered for the contract."""
    device = study.options["contract"]["device"]
    if study.options["task"] == MASKED:
        yield Mistake(("contract",), "a model of a corpus is an encoder for other studies and is not delivered; take the section out")
    elif not delivery_inputs.rows(study):
        yield Mistake(("contract", "device"), f"no variant runs on {device}; name another device, or its runtime under 'runtimes'")


def _find_uncompilable(study) -> Iterator[Mistake]:
    """Yield rows that torch.compile cannot follow: it takes bitsandbytes' packed 4 bits for a matrix of their shape."""
    compiled = {name for name, device in study.options["devices"].items() if device.get("compile")}
    for variant, device in {(variant, device) for variant, _, device in study.rows() if device in compiled}:
        options = study.step_options(variant)
        if (options.get("method"), options.get("bits")) == ("bitsandbytes", 4):
            remedy = "take the device or the variant out, or measure it in a study of its own"
            yield Mistake(("variants",), f"'{variant}' cannot be compiled, and '{device}' compiles; {remedy}", variant)


def _find_incomparable(study, group: list[str]) -> Iterator[str]:
    """Yield why variants of the group cannot be compared: one is no row, or no device runs them all."""
    devices = {variant: {device for name, _, device in study.rows() if name == variant} for variant in group}
    yield from _find_missing_rows(study, group)
    if all(devices.values()) and not set.intersection(*devices.values()):
        yield f"no device runs all of {', '.join(group)}; make groups that share one"


def _find_missing_rows(study, variants: list[str]) -> Iterator[str]:
    """Yield which of the variants have no row, and why."""
    with_row = {row[0] for row in study.rows()}
    for variant in (variant for variant in variants if variant not in with_row):
        if controlled(variant) in study.options["variants"]:
            yield f"'{variant}' is no row, as its control is off; name it under 'variants', too"
        else:
            yield f"'{variant}' is not among the variants{nearest(variant, study.options['variants'])}"
