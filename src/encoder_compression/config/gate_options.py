"""What no schema can say of ``gate`` and ``contract``: clauses that the task has no figures for, classes and devices that there are not."""

from collections.abc import Iterator

from encoder_compression.data.tasks.labels import is_among
from encoder_compression.errors import Mistake, nearest

WITH_PROBABILITIES = ("classification",)
RIGHT_OR_WRONG = ("classification", "question-answering")  # tasks whose predictions are
NEEDS = {
    "recall": (WITH_PROBABILITIES, "has no classes whose recall could be measured"),
    "calibration_error": (WITH_PROBABILITIES, "has no probabilities of classes"),
    "worst_slice": (RIGHT_OR_WRONG, "has no slices"),
    "agreement": (RIGHT_OR_WRONG, "has no predictions that agree or not"),
}


def find_mistakes(options: dict) -> Iterator[Mistake]:
    """Yield where clauses of the release gate do not fit the task or its classes, and a contract for a device that is not measured."""
    device = options.get("contract", {}).get("device")
    if device and device not in options["devices"]:
        yield Mistake(("contract", "device"), f"'devices' has no '{device}'{nearest(device, options['devices'])}")
    gate = options.get("gate", {})
    for name, (tasks, lack) in NEEDS.items():
        if name in gate and options["task"] not in tasks:
            yield Mistake(("gate", name), f"{options['task']} {lack}; take the clause out")
    if "recall" in gate and options["task"] in WITH_PROBABILITIES:
        yield from _check_label(str(gate["recall"]["label"]), options["dataset"])


def _check_label(label: str, dataset: dict) -> Iterator[Mistake]:
    """Yield a label that is no class where the options name the classes; else the measuring job asks the prepared data set.

    What ``label_map`` has can give way to the names of the encoder's own head: to others for numbers, else in case and blanks alone.
    """
    mapped = [str(name) for name in dataset.get("label_map", {}).values()]
    names = dataset.get("label_names", [] if any(map(str.isdigit, mapped)) else mapped)
    known = label in names if "label_names" in dataset else is_among(label, names)
    if names and not known:
        yield Mistake(("gate", "recall", "label"), f"the data set has no class '{label}'{nearest(label, names)}")
