"""What no schema can say of the section ``dataset``: keys that must fit each other, and labels that YAML reads as numbers."""

import codecs
from collections.abc import Iterator

from encoder_compression.errors import Mistake


def find_mistakes(options: dict) -> Iterator[Mistake]:
    """Yield where options of the data set do not fit each other."""
    dataset = options["dataset"]
    if "label_map" in dataset and "threshold" in dataset:
        yield Mistake(("dataset",), "'threshold' makes classes of numbers and 'label_map' of labels; take one out", "threshold")
    for name in ("dataset", "unlabelled"):
        yield from _check_encoding(options.get(name, {}).get("format", {}).get("encoding", "utf-8"), name)
    most = dataset["max_length"] // 2
    if dataset.get("stride", 0) > most:
        yield Mistake(("dataset", "stride"), f"{dataset['stride']} is more than half of max_length; give at most {most}")
    if len(dataset.get("label_names", [])) > 2:
        yield from _check_classes(options, len(dataset["label_names"]))


def _check_encoding(encoding: str, section: str) -> Iterator[Mistake]:
    try:
        codecs.lookup(encoding)
    except LookupError:
        message = f"unknown encoding '{encoding}'; take one such as utf-8, cp1252, latin-1 or utf-16"
        yield Mistake((section, "format", "encoding"), message)


def _check_classes(options: dict, classes: int) -> Iterator[Mistake]:
    """Yield options that are for two classes, as there are more."""
    if "threshold" in options["dataset"]:
        message = f"threshold makes two classes, but 'label_names' has {classes}; name two, or take one out"
        yield Mistake(("dataset",), message, "threshold")
    if options["dataset"].get("tune_threshold"):
        yield Mistake(("dataset",), f"tune_threshold is for two classes, but there are {classes}; take it out", "tune_threshold")
    if options["metric"] == "f1" and options["task"] == "classification":
        yield Mistake(("metric",), f"f1 is that of the second of two classes, but there are {classes}; take macro_f1")


def text_labels(dataset: dict) -> None:
    """Make texts of what ``label_map`` holds, as all labels are read."""
    if "label_map" in dataset:
        dataset["label_map"] = {str(label): str(name) for label, name in dataset["label_map"].items()}
