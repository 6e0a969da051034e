"""Artifacts by their paths: which rule makes one, and whether a path that is asked for can be made."""

import re
from collections.abc import Iterable

from encoder_compression.config import references
from encoder_compression.config.consistency import MASKED
from encoder_compression.config.load import TECHNIQUES
from encoder_compression.errors import UserError, nearest
from encoder_compression.study import order
from encoder_compression.study.study import FORM_OF_METHOD, Study

LARGEST_SEED = 2**32 - 1  # of numpy's generator; the schema bounds those of an experiment


def steps_pattern(studies: dict[str, Study], technique: str) -> str:
    """Return a regular expression of the chains that end in a step of the technique."""
    return _ends_in({step for study in studies.values() for step in study.options[technique]})


def _ends_in(steps: Iterable[str]) -> str:
    return rf"(?:[^/]+\+)?(?:{'|'.join(map(re.escape, sorted(steps)))})" if steps else r"(?!)"


def quantized_pattern(studies: dict[str, Study], form: str) -> str:
    """Return a regular expression of the chains whose last step quantizes to the form."""
    steps = [item for study in studies.values() for item in study.options["quantize"].items()]
    return _ends_in({step for step, options in steps if FORM_OF_METHOD[options["method"]] == form})


def weights_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the chains that have weights."""
    return "|".join(steps_pattern(studies, technique) for technique in TECHNIQUES if technique != "quantize")


def searched_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the steps whose options are searched."""
    steps = sorted({step for study in studies.values() for step in study.options["search"]})
    return "|".join(map(re.escape, steps)) or r"(?!)"


def check_target(target: str, studies: dict[str, Study]) -> None:
    """Raise UserError where a path asked for on the command line names an unknown experiment, chain or device."""
    match = re.match(r"results/([^/]+)(?:/([^/]+)/seed\d+(?:/(?:structure_times/)?([^/]+)/[^/]+)?)?", target)
    if not match or target == "results/summary.csv":  # the table of all experiments
        return
    experiment, variant, device = match.groups()
    if experiment not in studies:
        raise UserError(f"target '{target}': experiment '{experiment}' is not in this run{nearest(experiment, studies)}")
    searched = re.match(r"results/[^/]+/search/([^/]+)/(?:best.json|trials.csv|search.png|search.svg)$", target)
    if searched and searched[1] not in studies[experiment].options["search"]:
        known = studies[experiment].options["search"]
        raise UserError(f"target '{target}': no options of '{searched[1]}' are searched{nearest(searched[1], known)}")
    if variant:
        studies[experiment].check(variant)
    seed = re.search(r"/seed(\d+)(?:/|$)", target)
    if seed and int(seed[1]) > LARGEST_SEED:
        raise UserError(f"target '{target}': the largest seed is {LARGEST_SEED}; ask for a smaller one")
    known = studies[experiment].options["devices"]
    form = re.search(r"/seed\d+/(model|compressed|adapter|onnx|openvino)(?:/|$)", target)
    if form and form[1] not in studies[experiment].forms(variant):
        raise UserError(f"target '{target}': {_has_no(form[1], variant, studies[experiment])}")
    if device and device not in (*known, "model", "compressed", "adapter", *FORM_OF_METHOD.values()):
        raise UserError(f"target '{target}': unknown device '{device}'{nearest(device, known)}")


def _has_no(form: str, variant: str, study: Study) -> str:
    """Say what to ask for in place of a form that a variant does not have."""
    if form == "adapter":
        return f"'{variant}' has no adapter; ask for that of a chain that ends in a lora step"
    if form in ("model", "compressed"):
        return f"'{variant}' is quantized and has no weights; ask for those of its parent '{study.parent(variant)}'"
    return f"'{variant}' is quantized for another runtime; ask for its {study.forms(variant)[0]}/"


def unlabelled_pattern(studies: dict[str, Study], *, replaced: bool) -> str:
    """Return a regular expression of the experiments whose texts without labels are those of train with words replaced, or are not."""
    names = [name for name, study in studies.items() if references.replaces_words(study.options) == replaced]
    return "|".join(map(re.escape, names)) or r"(?!)"


def check_references(studies: dict[str, Study]) -> None:
    """Raise UserError where an experiment takes from another one what that cannot give."""
    for name, study in studies.items():
        for other in references.of(study.options):
            source = studies[other["experiment"]]
            source.check(other["variant"])
            if "model" not in source.forms(other["variant"]):
                raise UserError(f"{name}: {other['experiment']}: {_has_no('model', other['variant'], source)}")
        for step, own in study.options["distill"].items():
            if isinstance(own["start"], dict):
                _check_start(f"{name}: distill.{step}", study, step, studies[own["start"]["experiment"]])
        if references.replaces_words(study.options):
            _check_language_model(name, studies[study.options["unlabelled"]["replaced"]["model"]["experiment"]])


def _check_start(where: str, study: Study, step: str, source: Study) -> None:
    """Raise UserError where a student starts from a model that has another number of layers, as far as that is known."""
    variant = study.options["distill"][step]["start"]["variant"]
    wanted, found = order.count_layers(study, step), order.count_layers(source, variant)
    if found not in (wanted, None):
        raise UserError(
            f"{where}: the student has {wanted} of the layers, but '{variant}', where it starts, has {found}; make 'layers' and 'keep' fit"
        )


def _check_language_model(name: str, source: Study) -> None:
    if source.options["task"] != MASKED:
        raise UserError(
            f"{name}: unlabelled.replaced: '{source.name}' is about {source.options['task']}; name a model of a corpus, {MASKED}"
        )
