"""Texts without labels: none of them is tested on, they teach by the teacher's answers alone, and the control trains as long."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import concatenate_datasets
from pyarrow import parquet
from torch.nn import functional
from transformers.modeling_outputs import SequenceClassifierOutput

from conftest import ROOT, TINY_CSV
from encoder_compression.data.features import IGNORED
from encoder_compression.data.unlabelled import prepare_unlabelled
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.teaching.unlabelled_rows import further_rows
from encoder_compression.training.examples import read_train
from encoder_compression.training.heads import new_model
from encoder_compression.training.objectives import Distillation, hard_loss
from encoder_compression.training.train import Goal
from encoder_compression.training.trainer import Collator, EncoderTrainer, ProgressBar
from trained_students import run_distill

MORE_CSV = ROOT / "tests" / "data" / "tiny_more.csv"
FORMAT = {"separator": ",", "header": True, "quoting": True}
TAUGHT = {"hard": 0.1, "soft": 0.8, "hidden": 0.1, "relation": 0}
LABELS_ALONE = {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}


def prepare(source, encoder, dataset, output, **columns) -> dict:
    options = {"files": {"train": str(source)}, "format": FORMAT, "columns": {"text": "text"} | columns}
    return prepare_unlabelled(options=options, dataset=dataset, encoder=encoder, output=output)


def test_no_text_that_the_data_set_has_is_among_the_further_ones(tmp_path, encoder, dataset):
    """Nor one that only looks different: the encoder reads neither capitals nor blanks."""
    own = {split: pd.read_parquet(dataset / f"{split}.parquet")["text"].tolist() for split in ("train", "validation", "test")}
    traps = [own["test"][0], own["test"][1].upper(), own["validation"][0].replace(" ", "   "), own["train"][0]]
    new = ["the plot has more holes than a net", "The plot has more holes than a net", "  ", "two hours that feel like one"]
    pd.DataFrame({"text": traps + new}).to_json(tmp_path / "more.jsonl", orient="records", lines=True)
    facts = prepare(tmp_path / "more.jsonl", encoder, dataset, tmp_path / "unlabelled")
    left = pd.read_parquet(tmp_path / "unlabelled" / "train.parquet")
    assert left["text"].tolist() == [new[0], new[3]]
    assert "label" not in left
    assert facts["dropped"] == {"empty text": 1, "repeated text": 1, "also in test": 2, "also in validation": 1, "also in train": 1}
    assert facts["rows"] == {"train": 2}


def test_further_texts_that_the_data_set_has_all_are_refused(tmp_path, encoder, dataset):
    with pytest.raises(UserError, match="unlabelled: no text is left that the data set does not have"):
        prepare(TINY_CSV, encoder, dataset, tmp_path)


def test_a_missing_column_is_told_with_the_nearest(tmp_path, encoder, dataset):
    with pytest.raises(
        UserError, match=r"unlabelled: split 'train' \(.*tiny_more.csv\) has no column 'txt' for the text; did you mean 'text'\?"
    ):
        prepare(MORE_CSV, encoder, dataset, tmp_path, text="txt")


@pytest.mark.parametrize("labels", [[0, 1, IGNORED, 1, IGNORED], [IGNORED] * 5, [0, 1, 0, 1, 1]], ids=["some", "none", "all"])
def test_a_class_that_is_not_known_adds_nothing_to_the_hard_loss(labels):
    logits = torch.randn(5, 2, requires_grad=True)
    found = hard_loss(SequenceClassifierOutput(logits=logits), {"labels": torch.tensor(labels)})
    known = [index for index, label in enumerate(labels) if label != IGNORED]
    expected = sum((-logits.log_softmax(-1)[index, labels[index]] for index in known), torch.zeros(())) / 5
    torch.testing.assert_close(found, expected)
    found.backward()
    assert all(bool(gradient.any()) == (index in known) for index, gradient in enumerate(logits.grad))
    if len(known) == 5:
        assert torch.equal(found, functional.cross_entropy(logits, torch.tensor(labels)))


def test_a_number_that_is_not_known_adds_nothing_to_the_hard_loss():
    logits, labels = torch.randn(4, 1, requires_grad=True), torch.tensor([0.5, torch.nan, 2.0, torch.nan])
    found = hard_loss(SequenceClassifierOutput(logits=logits), {"labels": labels})
    torch.testing.assert_close(found, ((logits[0, 0] - 0.5) ** 2 + (logits[2, 0] - 2.0) ** 2) / 4)
    found.backward()
    assert torch.equal(logits.grad[:, 0] != 0, ~labels.isnan())


def test_a_text_without_a_label_still_learns_from_the_teacher(encoder, dataset):
    model = new_model(encoder, Goal(dataset=dataset, metric="accuracy", seed=1, name="test")).eval()
    objective = Distillation(weights={"hard": 0.4, "soft": 0.6, "hidden": 0, "relation": 0}, temperature=2, teacher=None)
    ids, told = torch.tensor([[2, 8, 9, 3], [2, 7, 6, 3]]), torch.tensor([[0.3, -0.2], [1.0, -1.0]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([1, IGNORED]), "teacher_logits": told}
    terms = objective(model, batch)
    logits = model(input_ids=ids).logits
    torch.testing.assert_close(terms["hard"], 0.4 * functional.cross_entropy(logits[:1], torch.tensor([1])) / 2)
    softened = functional.kl_div((logits / 2).log_softmax(-1), (told / 2).softmax(-1), reduction="batchmean") * 4
    torch.testing.assert_close(terms["soft"], 0.6 * softened)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory, encoder, dataset):
    """A folder with a teacher in model/, the further texts, and the teacher's logits on both."""
    from encoder_compression.run import provenance

    folder = tmp_path_factory.mktemp("lesson")
    teacher = new_model(encoder, Goal(dataset=dataset, metric="accuracy", seed=1, name="test"))
    pretrained.save(teacher, encoder_facts.load_tokenizer(encoder), folder / "model")
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    prepare(MORE_CSV, encoder, dataset, folder / "unlabelled")
    predict_soft_targets(teacher=folder / "model", dataset=dataset, output=folder / "soft_targets", name="test")
    predict_soft_targets(teacher=folder / "model", dataset=folder / "unlabelled", output=folder / "unlabelled_targets", name="test")
    return folder


def test_the_teachers_logits_belong_to_their_texts_and_no_text_has_a_label(lesson, dataset):
    teacher = pretrained.load_model(lesson / "model").eval()
    rows = further_rows(lesson / "unlabelled", lesson / "unlabelled_targets", dataset, {"loss": TAUGHT})
    texts = parquet.read_table(lesson / "unlabelled" / "train.parquet")
    assert rows["input_ids"] == texts["input_ids"].to_pylist()
    assert set(rows["labels"]) == {IGNORED}
    for row in rows:
        expected = teacher(input_ids=torch.tensor([row["input_ids"]])).logits[0].detach()
        torch.testing.assert_close(torch.tensor(row["teacher_logits"]), expected, atol=1e-5, rtol=0)


def test_pairs_and_numbers_are_joined_to_their_train(tmp_path, encoder):
    from test_regression import prepare as prepare_pairs

    dataset = prepare_pairs(tmp_path, encoder)
    pd.DataFrame({"one": ["two hours", "a kettle"], "other": ["that feel like one", "could do it"]}).to_json(
        tmp_path / "more.jsonl", orient="records", lines=True
    )
    prepare(tmp_path / "more.jsonl", encoder, dataset, tmp_path / "unlabelled", text="one", text_pair="other")
    rows = further_rows(tmp_path / "unlabelled", None, dataset, {"loss": {"hard": 0.5, "soft": 0, "hidden": 0.5, "relation": 0}})
    both = concatenate_datasets([read_train(dataset, {}), rows])
    batch = Collator(encoder_facts.load_tokenizer(encoder))([both[0], both[len(both) - 1]])
    assert batch["labels"].isnan().tolist() == [False, True]
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask", "labels"}


def teach(lesson, encoder, dataset, tiny, output, *, loss: dict, training: dict) -> dict:
    own = tiny.options["distill"]["even1"]
    return run_distill(
        teacher=lesson / "model",
        encoder=encoder,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=own | {"loss": loss, "training": own["training"] | {"patience": 9, "precision": "float32"} | training},
        folder=output,
        soft_targets=lesson / "soft_targets",
        unlabelled=lesson / "unlabelled",
        unlabelled_targets=lesson / "unlabelled_targets",
    )


def test_the_control_has_as_many_steps_and_rows_of_train_alone(lesson, encoder, dataset, tiny, tmp_path, monkeypatch):
    seen = []
    compute = EncoderTrainer.compute_loss

    def watch(self, model, inputs, return_outputs=False, **rest):
        if not return_outputs:
            seen.extend(inputs["labels"].tolist())
        return compute(self, model, inputs, return_outputs, **rest)

    monkeypatch.setattr(EncoderTrainer, "compute_loss", watch)
    steps, labels = {}, {}
    for name, loss in (("student", TAUGHT), ("control", LABELS_ALONE)):
        facts = teach(lesson, encoder, dataset, tiny, tmp_path / name, loss=loss, training={"epochs": 1})
        steps[name], labels[name] = facts["steps"], np.array(seen)
        seen.clear()
    own, further = (
        json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["rows"]["train"] for folder in (dataset, lesson / "unlabelled")
    )
    assert steps["student"] == steps["control"] == -(-(own + further) // 8) > -(-own // 8)
    assert (labels["student"] == IGNORED).sum() == further
    assert (labels["control"] != IGNORED).all() and len(labels["control"]) == len(labels["student"])


def test_a_student_that_was_killed_amid_both_kinds_of_rows_ends_with_the_same_weights(
    lesson, encoder, dataset, tiny, tmp_path, monkeypatch
):
    class Killed(Exception):
        pass

    def die(self, args, state, control, **_):
        if state.global_step == state.max_steps // 2 + 1:
            raise Killed

    arguments = {"loss": TAUGHT, "training": {"epochs": 2}}
    teach(lesson, encoder, dataset, tiny, tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ProgressBar, "on_step_end", die)
        teach(lesson, encoder, dataset, tiny, tmp_path / "killed", **arguments)
    assert teach(lesson, encoder, dataset, tiny, tmp_path / "killed", **arguments)["resumed"]
    whole, resumed = (pretrained.load_model(tmp_path / name / "model").state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_further_texts_are_prepared_only_where_a_step_of_a_variant_asks_for_them(workspace):
    def planned() -> set[str]:
        done = workspace.run("-n", "--cores", "2", *(f"results/tiny/teacher+{step}/seed1/model" for step in ("even1", "even1-control")))
        assert done.returncode == 0, done.stderr
        return {block.split(":")[0] for block in (done.stdout + done.stderr).split("rule ")[1:]}

    assert {"prepare_unlabelled", "predict_unlabelled_targets"} < planned()
    workspace.edit("config/experiments/tiny.yaml", "    unlabelled: true\n", "")
    assert not {"prepare_unlabelled", "predict_unlabelled_targets"} & planned()
