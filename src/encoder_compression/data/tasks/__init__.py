"""What the models of a study learn: one module per task, all with the same names.

HUB_NAME      what the hub calls the task, which decides the head
UNIT          what one example is called
TARGETS       column of a prepared split -> argument of the model that holds the label
CREDITS       metric -> credit from 0 to 1 of each example: the score is their mean
SCORES        metric -> score of all examples at once, where it is no such mean
ONCE          whether a text may stand but once in a table, so that repeats are dropped
clean         table of the source -> frames of its usable rows with "id", "source" (in one split only), "group" (cut together), checked
write         rows of all splits, options, the encoder's head -> {split}.parquet, what the encoder reads; returns more for dataset.json
head          dataset.json -> arguments of the new head
reduce        logits of a batch, of numpy or torch -> as much of them as decode looks at
possible      logits of one input -> the same with -inf where there is nothing to choose
decode        reduced logits of a split -> a column each of "id", "label", "prediction", "tokens" and more, a row per example
text_calls    a split, a tokenizer of the tokenizers library, dataset.json -> calls from raw text to answer; None without raw texts
is_tuned      dataset.json -> whether predictions depend on a threshold that validation chooses
tune          predictions of a split and of validation -> final predictions, and the threshold
SHOWN         metrics that tables show beside the one that heads them
is_constant   labels and predictions -> whether every example gets the same
best_constant labels, metric and dataset.json -> score of the constant prediction that scores best, and that prediction in words
SUSPECT       what to check where a model scores below that
right         labels and predictions -> whether each example is right; None where that is no yes or no
RIGHT         what the share of right examples is called
kinds         labels and dataset.json -> name of a kind of example -> which examples are of it; SLICED names the kinds

They are read by measured processes too, so no module here imports torch, transformers or scikit-learn with itself.
"""

import importlib
import json
from pathlib import Path
from types import ModuleType

MASKED = "masked-language-modelling"
NAMES = ("classification", "regression", "question-answering", MASKED)


def load(name: str) -> ModuleType:
    """Return the module of a task by its name in the config: "question-answering"."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def describe(dataset: Path) -> dict:
    """Return what dataset.json says of a prepared data set."""
    return json.loads((Path(dataset) / "dataset.json").read_text(encoding="utf-8"))


def of_dataset(dataset: Path) -> ModuleType:
    """Return the module of the task that a data set was prepared for."""
    return load(describe(dataset)["task"])
