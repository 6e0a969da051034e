"""The head that an encoder comes with is taken for the same classes alone, by their names; else it is left out, and told."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import make_encoder
from encoder_compression.data import tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal
from short_training import TRAINING

COLUMNS = {"text": "text", "label": "label"}
TEXTS = [f"a {'warm' if number % 2 else 'dull'} film {number}" for number in range(60)]
NAMES = ["pos", "neg"]  # of the head, not in alphabetical order


def tuned(folder: Path, names: list[str] = NAMES, architecture: str = "bert") -> Path:
    """Write an encoder with a head for classes of these names as a base; its weights are random."""
    base = make_encoder(folder / "plain", architecture)
    torch.manual_seed(0)
    head = {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    model = pretrained.add_head(base, "AutoModelForSequenceClassification", head)
    pretrained.save(model, encoder_facts.load_tokenizer(base), folder / "given")
    prepare_encoder(source={"files": {"folder": str(folder / "given")}}, output=folder / "base")
    return folder / "base"


def prepare(folder: Path, base: Path, labels: list, task: str = "classification", **changes) -> dict:
    frame = pd.DataFrame({"text": TEXTS, "label": (labels * len(TEXTS))[: len(TEXTS)]})
    frame.to_csv(folder / "table.csv", index=False)
    options = {"files": {"train": str(folder / "table.csv")}, "format": {}, "columns": COLUMNS, "max_length": 32}
    prepare_dataset(
        options=options | {"split": {"validation": 0.2, "test": 0.2}} | changes, task=task, encoder=base, output=folder / "data"
    )
    return json.loads((folder / "data" / "dataset.json").read_text(encoding="utf-8"))


def untrained(folder: Path, base: Path) -> dict:
    """Make the teacher of a step that trains nothing; returns its facts."""
    goal = Goal(dataset=folder / "data", metric="accuracy", seed=1, name="test")
    options = {"training": TRAINING | {"epochs": 0}}
    return finetune(encoder=base, goal=goal, options=options, model=folder / "model", curve=folder / "training.csv")


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_a_tuned_model_answers_in_the_names_of_its_own_head_whatever_their_order(tmp_path, architecture):
    """The reference is transformers' own answer: the name of the largest logit, compared with the label as it is written."""
    base = tuned(tmp_path, architecture=architecture)
    prepare(tmp_path, base, [" Neg", "POS "])
    facts = untrained(tmp_path, base)
    model, tokenizer = pretrained.load_model(tmp_path / "given").eval(), encoder_facts.load_tokenizer(tmp_path / "given")
    rows = pd.read_parquet(tmp_path / "data" / "validation.parquet")
    label_of = dict(zip(TEXTS, ["neg", "pos"] * len(TEXTS), strict=False))
    with torch.inference_mode():
        answers = [NAMES[int(model(**tokenizer(text, return_tensors="pt")).logits.argmax())] for text in rows["text"]]
    assert facts["validation_score"] == pytest.approx(sum(map(str.__eq__, answers, map(label_of.get, rows["text"]))) / len(rows))
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "pos", "1": "neg"}
    before, after = load_file(tmp_path / "given/model.safetensors"), load_file(tmp_path / "model/model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_numbers_keep_their_numbers_and_are_called_by_the_heads_names(tmp_path):
    base = tuned(tmp_path)
    assert prepare(tmp_path, base, [0, 1])["labels"] == NAMES
    rows = pd.concat(pd.read_parquet(tmp_path / "data" / f"{split}.parquet") for split in ("train", "validation", "test"))
    assert dict(zip(rows["text"], rows["label"], strict=True)) == {text: number % 2 for number, text in enumerate(TEXTS)}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["spam", "ham"], r"classes \['pos', 'neg'\], but the data set has the labels \['ham', 'spam'\]; .*label_map: {ham: pos"),
        (["a", "b", "c"], r"classes \['pos', 'neg'\], but the data set has the labels \['a', 'b', 'c'\]: 2 and 3 classes; name"),
        ([1, 2], r"classes \['pos', 'neg'\], but the data set has the labels \['1', '2'\]"),
    ],
)
def test_a_head_for_other_classes_stops_a_step_that_trains_nothing_with_both_lists(tmp_path, labels, message):
    base = tuned(tmp_path)
    described = prepare(tmp_path, base, labels)
    assert "The encoder's own head is for the classes pos, neg" in described["warnings"][0]
    with pytest.raises(UserError, match=message):
        untrained(tmp_path, base)


def test_a_map_of_labels_makes_it_the_head_for_them(tmp_path):
    base = tuned(tmp_path)
    described = prepare(tmp_path, base, [1, 2, 4, 5], label_map={"1": "neg", "2": "neg", "4": "pos", "5": "pos"})
    assert described["labels"] == NAMES
    assert untrained(tmp_path, base)["steps"] == 0


def test_a_label_that_is_mapped_to_no_class_of_the_head_is_told_before_the_table_is_read(tmp_path):
    base = tuned(tmp_path)
    with pytest.raises(UserError, match=r"label_map calls a label 'poz', but the encoder's head has the classes \['pos', 'neg'\]"):
        prepare(tmp_path, base, ["1"], label_map={"1": "neg", "2": "poz"})


@pytest.mark.parametrize(
    ("names", "labels", "task"),
    [
        (["a", "b", "c"], [0, 1], "classification"),
        (["spam", "ham"], ["x", "y"], "classification"),
        (["a", "b"], [0.5, 2.5], "regression"),
        (["a"], [0, 1], "classification"),
    ],
)
def test_a_step_that_trains_gets_a_new_head_in_place_of_one_for_others(tmp_path, names, labels, task):
    base = tuned(tmp_path, names)
    prepare(tmp_path, base, labels, task)
    goal = Goal(dataset=tmp_path / "data", metric="accuracy", seed=1, name="test")
    model, again = new_model(base, goal), new_model(base, goal)
    given = load_file(tmp_path / "given/model.safetensors")
    weights = model.state_dict()
    assert all(torch.equal(weights[name], given[name]) for name in given if not name.startswith("classifier."))
    assert weights["classifier.weight"].shape == (1 if task == "regression" else 2, 32)
    assert not any(torch.equal(row, other) for row in weights["classifier.weight"] for other in given["classifier.weight"])
    assert torch.equal(weights["classifier.weight"], again.state_dict()["classifier.weight"])


def test_every_task_has_its_head():
    assert {name: pretrained.class_for(tasks.load(name).HUB_NAME) for name in tasks.NAMES} == {
        "classification": "AutoModelForSequenceClassification",
        "regression": "AutoModelForSequenceClassification",
        "question-answering": "AutoModelForQuestionAnswering",
        "masked-language-modelling": "AutoModelForMaskedLM",
    }
