"""A model that is fine-tuned for the table's task is the teacher as it is; any other is fine-tuned first, and the reason is told."""

from pathlib import Path

import pandas as pd
import pytest

from conftest import TINY_CSV, load_tiny, make_encoder
from encoder_compression.contract import fitting_head
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.encoders import encoder_facts, pretrained

FILE = Path("config/experiments/mine.yaml")
QUESTIONS = Path(TINY_CSV).parent / "tiny_squad.json"


def with_head(folder: Path, auto_class: str, architecture: str = "bert", **head) -> Path:
    """Make a tiny encoder with a random head, as a fine-tuned model is saved."""
    encoder = make_encoder(folder / "encoder", architecture)
    model = pretrained.add_head(encoder, auto_class, head)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    return folder / "model"


def prepared(folder: Path, base: Path, task: str, *, labels: dict | None = None, **dataset) -> Path:
    """Prepare the tiny sentences, or the tiny questions, for an encoder."""
    table = folder / "rows.csv"
    rows = pd.read_csv(TINY_CSV)
    rows.assign(label=rows["label"].map(labels) if labels else rows["label"]).to_csv(table, index=False)
    defaults = load_tiny().options["dataset"]
    source = {"files": {"train": str(QUESTIONS if task == "question-answering" else table)}} | dataset
    if task == "question-answering":
        names = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}
        source |= {"columns": names, "max_length": 48, "stride": 8}
    prepare_dataset(options=defaults | source, task=task, encoder=base, output=folder / "dataset")
    return folder / "dataset"


def test_a_head_of_the_same_classes_fits_whatever_their_order_and_case(tmp_path):
    named = {"id2label": {0: "GOOD", 1: "Bad"}, "label2id": {"GOOD": 0, "Bad": 1}}
    base = with_head(tmp_path, "AutoModelForSequenceClassification", **named)
    dataset = prepared(tmp_path, base, "classification", labels={0: "bad", 1: "good"})
    assert fitting_head.fits(base, dataset)
    assert fitting_head.in_words(base, dataset, FILE)[-1] == fitting_head.FITS


def test_numbers_that_are_taken_for_outputs_of_a_head_are_told(tmp_path):
    named = {"id2label": {0: "negative", 1: "positive"}, "label2id": {"negative": 0, "positive": 1}}
    base = with_head(tmp_path, "AutoModelForSequenceClassification", **named)
    dataset = prepared(tmp_path, base, "classification")
    assert fitting_head.fits(base, dataset)
    (numbered,) = [line for line in fitting_head.in_words(base, dataset, FILE) if "numbers" in line]
    assert "0 = negative, 1 = positive" in numbered


def test_a_head_of_other_classes_does_not_fit_until_a_map_names_its_own(tmp_path):
    named = {"id2label": {0: "negative", 1: "positive"}, "label2id": {"negative": 0, "positive": 1}}
    base = with_head(tmp_path, "AutoModelForSequenceClassification", **named)
    dataset = prepared(tmp_path, base, "classification", labels={0: "bad", 1: "good"})
    *_, new, remedy = fitting_head.in_words(base, dataset, FILE)
    assert not fitting_head.fits(base, dataset)
    assert new == fitting_head.NEW
    assert remedy == f"'label_map' under 'dataset' in {FILE} renames the labels of the table, if they are those of the head"
    mapped = prepared(tmp_path, base, "classification", labels={0: "bad", 1: "good"}, label_map={"bad": "negative", "good": "positive"})
    assert fitting_head.fits(base, mapped)


def test_a_number_fits_a_regression_and_classes_do_not(tmp_path):
    for outputs in (1, 2):
        folder = tmp_path / str(outputs)
        folder.mkdir()
        base = with_head(folder, "AutoModelForSequenceClassification", num_labels=outputs)
        assert fitting_head.fits(base, prepared(folder, base, "regression")) == (outputs == 1)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "modernbert"])
def test_a_head_for_spans_fits_questions_and_a_bare_encoder_does_not(tmp_path, architecture):
    base = with_head(tmp_path, "AutoModelForQuestionAnswering", architecture)
    dataset = prepared(tmp_path, base, "question-answering")
    assert fitting_head.fits(base, dataset)
    assert not fitting_head.fits(tmp_path / "encoder", dataset)
