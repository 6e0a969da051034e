"""Artifacts by their paths: which rule makes one, and whether a path that is asked for can be made."""

import re

from encoder_compression.errors import UserError, nearest
from encoder_compression.study import folds
from encoder_compression.study.chain import Chain
from encoder_compression.study.fitted import steps_taught_elsewhere
from encoder_compression.study.forms import FORM_OF_METHOD
from encoder_compression.study.study import Study, replaces_words
from encoder_compression.study.techniques import TECHNIQUES

LARGEST_SEED = 2**32 - 1  # of numpy's generator; the schema bounds those of an experiment


def steps_pattern(studies: dict[str, Study], *techniques: str, form: str | None = None) -> str:
    """Return a regular expression of the chains that end in a step of the techniques, if any that leaves the ``form``."""
    steps = [(name, *step) for study in studies.values() for name in techniques for step in study.options[name].items()]
    names = {step for name, step, options in steps if form is None or form in TECHNIQUES[name].forms(options)}
    return rf"(?:[^/]+\+)?(?:{'|'.join(map(re.escape, sorted(names)))})" if names else r"(?!)"


def weights_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the chains that have weights in floating point."""
    return steps_pattern(studies, *(name for name, technique in TECHNIQUES.items() if technique.in_float))


def structures_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the chains whose models can be timed with fewer heads and neurons."""
    return steps_pattern(studies, *(name for name, technique in TECHNIQUES.items() if technique.structures))


def searched_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the steps whose options are searched."""
    steps = sorted({step for study in studies.values() for step in study.options["search"]})
    return "|".join(map(re.escape, steps)) or r"(?!)"


def taught_elsewhere_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the steps whose soft targets come from another experiment or from files."""
    steps = sorted({step for study in studies.values() for step in steps_taught_elsewhere(study)})
    return "|".join(map(re.escape, steps)) or r"(?!)"


def processes_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the experiments that time a training in several processes."""
    return "|".join(re.escape(name) for name, study in studies.items() if "processes" in study.options) or r"(?!)"


def contract_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the experiments that have a contract, and so a delivery."""
    return "|".join(re.escape(name) for name, study in studies.items() if study.options.get("contract")) or r"(?!)"


def check_target(target: str, studies: dict[str, Study]) -> None:
    """Raise UserError where a path asked for on the command line names an unknown experiment, chain or device."""
    match = re.match(r"results/([^/]+(?:/folds/\d+of\d+)?)(?:/([^/]+)/seed\d+(?:/(?:structure_times/)?([^/]+)/[^/]+)?)?", target)
    if not match or target == "results/summary.csv":  # the table of all experiments
        return
    experiment, variant, device = match.groups()
    if experiment not in studies:
        raise UserError(f"target '{target}': experiment '{experiment}' is not in this run{nearest(experiment, studies)}")
    if re.match(r"results/[^/]+/processes/", target) and "processes" not in studies[experiment].options:
        raise UserError(f"target '{target}': the experiment names no 'processes'; give it a list such as [1, 2]")
    if re.match(r"results/[^/]+/delivery(?:/|$)", target) and not studies[experiment].options.get("contract"):
        raise UserError(f"target '{target}': the experiment has no 'contract'; name the device that it is for: {{device: cpu-onnxruntime}}")
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
        raise UserError(f"target '{target}': {has_no(form[1], variant, studies[experiment])}")
    if device and device not in (*known, "model", "compressed", "adapter", *FORM_OF_METHOD.values()):
        raise UserError(f"target '{target}': unknown device '{device}'{nearest(device, known)}")
    if device in known and studies[experiment].form(device) not in studies[experiment].forms(variant):
        wanted = studies[experiment].form(device)
        raise UserError(f"target '{target}': {device} reads {wanted}/, but {has_no(wanted, variant, studies[experiment])}")


def has_no(form: str, variant: str, study: Study) -> str:
    """Say what to ask for in place of a form that a variant does not have."""
    if form == "adapter":
        return f"'{variant}' has no adapter; ask for that of a chain that ends in a lora step"
    if form in ("model", "compressed"):
        if not Chain(variant).parent:
            return f"'{variant}' is no neural network; ask for its {study.forms(variant)[0]}/"
        return f"'{variant}' is quantized and has no weights; ask for those of its parent '{Chain(variant).parent}'"
    quantized = "quantized " if Chain(variant).parent else ""
    return f"'{variant}' is {quantized}for another runtime; ask for its {study.forms(variant)[0]}/"


def prepared_pattern(studies: dict[str, Study]) -> str:
    """Return a regular expression of the experiments whose encoder and data set are prepared: all but folds, which are cut from them."""
    return "|".join(map(re.escape, folds.wholes(studies)))


def unlabelled_pattern(studies: dict[str, Study], *, replaced: bool) -> str:
    """Return a regular expression of the experiments whose texts without labels are those of train with words replaced, or are not.

    The former hold folds, which have another train; the others' texts are shared with the whole experiment.
    """
    asked = studies if replaced else folds.wholes(studies)
    names = [name for name in asked if replaces_words(studies[name].options) == replaced]
    return "|".join(map(re.escape, names)) or r"(?!)"
