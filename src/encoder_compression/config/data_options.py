"""What no schema can say of the section ``dataset``: keys that must fit each other, and labels that YAML reads as numbers."""

import codecs

from encoder_compression.errors import UserError


def check(options: dict, file: str) -> None:
    """Raise UserError, in one line with the remedy, where options of the data set in ``file`` do not fit each other."""
    dataset = options["dataset"]
    if "label_map" in dataset and "threshold" in dataset:
        raise UserError(f"{file}: dataset: 'threshold' makes classes of numbers and 'label_map' of labels; take one out")
    for name in ("dataset", "unlabelled"):
        _check_encoding(options.get(name, {}).get("format", {}).get("encoding", "utf-8"), f"{file}: {name}")


def _check_encoding(encoding: str, where: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UserError(f"{where}: unknown format.encoding '{encoding}'; take one such as utf-8, cp1252, latin-1 or utf-16") from None


def text_labels(dataset: dict) -> None:
    """Make texts of what ``label_map`` holds, as all labels are read."""
    if "label_map" in dataset:
        dataset["label_map"] = {str(label): str(name) for label, name in dataset["label_map"].items()}
