"""Students keep the layers they say they keep, learn from a gated teacher, and are saved as they were trained."""

import json
import math
import shutil

import pytest
import torch
from pyarrow import parquet

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.layers import choose_layers
from encoder_compression.errors import UserError
from encoder_compression.pruning import calibration
from encoder_compression.pruning.depth import important_layers
from encoder_compression.run import provenance
from encoder_compression.teaching.distillation import layer_map, require_gate
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.distill import take_layers
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.train import Goal
from trained_students import run_distill


@pytest.mark.parametrize(
    ("rule", "keep", "layers"),
    [
        ("even", 3, [2, 4, 6]),
        ("odd", 3, [1, 3, 5]),
        ("first", 3, [1, 2, 3]),
        ("last", 3, [4, 5, 6]),
        ("spread", 3, [2, 4, 6]),
        ("spread", 4, [2, 3, 4, 6]),
        ("spread", 1, [6]),
        ([1, 6], 3, [1, 6]),
    ],
)
def test_layers_are_counted_from_one(rule, keep, layers):
    assert choose_layers(rule, keep, 6) == layers


@pytest.mark.parametrize(("rule", "keep"), [("even", 4), ("odd", 4), ("first", 7), ("spread", 7), ([7], 1)])
def test_layers_that_the_teacher_does_not_have_are_refused(rule, keep):
    with pytest.raises(UserError, match="do not fit a teacher of 6 layers"):
        choose_layers(rule, keep, 6)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_the_student_has_exactly_the_teachers_chosen_layers(tmp_path, architecture):
    teacher = pretrained.add_head(make_encoder(tmp_path, architecture, layers=6), "AutoModelForSequenceClassification", {"num_labels": 2})
    student, layers = take_layers(teacher, "odd", 3)
    assert layers == [1, 3, 5]
    kept, original = pretrained.layers(student), pretrained.layers(teacher)
    assert len(kept) == student.config.num_hidden_layers == 3
    for mine, index in zip(kept, layers, strict=True):
        for one, other in zip(mine.parameters(), original[index - 1].parameters(), strict=True):
            assert torch.equal(one, other)
            assert one.data_ptr() != other.data_ptr()
    assert len(original) == 6


def test_layers_that_do_nothing_are_found_unimportant(tmp_path, dataset):
    folder = make_encoder(tmp_path, layers=4)
    model = pretrained.add_head(folder, "AutoModelForSequenceClassification", {"num_labels": 2})
    layers = pretrained.layers(model)
    for block in (pretrained.blocks(model)[1], pretrained.blocks(model)[2]):  # what they add to their input becomes nothing
        for linear in (block.attention_output, block.contraction):
            torch.nn.init.zeros_(linear.weight)
    batches = calibration.batches(dataset, encoder_facts.load_tokenizer(folder), 16)
    tuned = torch.optim.Adam([*layers[0].parameters(), *layers[3].parameters(), *model.classifier.parameters()], lr=3e-3)
    for _ in range(8):
        for batch in batches:
            tuned.zero_grad()
            model(**batch).loss.backward()
            tuned.step()
    assert important_layers(model, 2, batches) == [1, 4]
    assert list(layers) == list(pretrained.layers(model))


@pytest.fixture(scope="module")
def taught(tmp_path_factory, encoder, dataset, tiny):
    """A folder with a fine-tuned teacher and its soft targets."""
    folder = tmp_path_factory.mktemp("taught")
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    facts = finetune(
        encoder=encoder, goal=goal, options=tiny.options["finetune"]["teacher"], model=folder / "model", curve=folder / "training.csv"
    )
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    predict_soft_targets(teacher=folder / "model", dataset=dataset, output=folder / "soft_targets", name="test")
    return folder


def test_soft_targets_are_the_frozen_teachers_logits_in_the_order_of_train(taught, dataset):
    teacher = pretrained.load_model(taught / "model").eval()
    train = parquet.read_table(dataset / "train.parquet")
    targets = parquet.read_table(taught / "soft_targets" / "logits.parquet")
    assert targets["id"].to_pylist() == train["id"].to_pylist()
    for index in (0, 17, len(train) - 1):
        expected = teacher(input_ids=torch.tensor([train["input_ids"][index].as_py()])).logits[0]
        torch.testing.assert_close(torch.tensor(targets["logits"][index].as_py()), expected.detach(), atol=1e-5, rtol=0)


def test_a_teacher_below_its_gate_is_refused(taught):
    with pytest.raises(UserError, match=r"on validation, below its gate of 1.1; train it better or lower 'gate'"):
        require_gate(taught / "model", 1.1)
    require_gate(taught / "model", 0)


@pytest.fixture(scope="module")
def student(tmp_path_factory, taught, encoder, dataset, tiny):
    folder = tmp_path_factory.mktemp("student")
    facts = run_distill(
        teacher=taught / "model",
        encoder=encoder,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=tiny.options["distill"]["even1"] | {"start": "best"},
        folder=folder,
        soft_targets=taught / "soft_targets",
    )
    return folder, facts


def test_the_layer_map_and_the_teachers_hash_are_recorded(student, taught):
    _, facts = student
    assert facts["layer_map"] == {1: 2}
    assert facts["teacher_fingerprint"] == provenance.fingerprint(taught / "model")


def test_the_layers_of_a_student_are_known_by_their_places_in_the_teacher(tmp_path):
    """What is pruned or distilled after a student learns from the layers that its own came from, not from the teacher's first."""
    teacher, parent = (make_encoder(tmp_path / name, layers=layers) for name, layers in (("teacher", 6), ("student", 3)))
    assert layer_map(teacher, teacher) == [1, 2, 3, 4, 5, 6]
    for facts, expected in (({"layer_map": {1: 2, 2: 4, 3: 6}}, [2, 4, 6]), ({}, [])):
        provenance.write(parent, options={}, inputs={}, seconds=0, facts=facts)
        assert layer_map(parent, teacher) == expected


def test_a_student_of_a_student_maps_to_the_teachers_layers(tmp_path, taught, student, encoder, dataset, tiny):
    options = tiny.options["distill"]["even1"] | {"layers": [1], "start": "finetuned", "unlabelled": False}
    folder, facts = student
    shutil.copytree(folder / "model", tmp_path / "parent")
    provenance.write(tmp_path / "parent", options={}, inputs={}, seconds=0, facts=facts)
    again = run_distill(
        teacher=taught / "model",
        encoder=encoder,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options,
        folder=tmp_path,
        parent=tmp_path / "parent",
        soft_targets=taught / "soft_targets",
    )
    assert again["layer_map"] == {1: 2}


def test_the_better_of_both_starts_is_kept(student):
    scores = student[1]["validation_score_by_start"]
    assert set(scores) == {"finetuned", "pretrained"}
    assert scores[student[1]["start"]] == max(scores.values()) == student[1]["validation_score"]


def test_the_saved_student_is_a_plain_smaller_model(student):
    folder, _ = student
    model = pretrained.load_model(folder / "model")
    assert len(pretrained.layers(model)) == 1
    assert not [name for name in model.state_dict() if "matcher" in name]
    assert json.loads((folder / "model" / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"] == 1
    assert not (folder / "checkpoints").exists()


def test_every_loss_term_is_in_the_curve(student):
    header, first, *_ = (student[0] / "training.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    terms = [float(row[name]) for name in ("loss_hard", "loss_soft", "loss_hidden")]
    assert all(term > 0 for term in terms)
    assert math.isclose(sum(terms), float(row["loss"]), rel_tol=0.02)


def test_the_teacher_is_frozen_and_in_eval_mode(taught):
    teacher = pretrained.load_model(taught / "model").train()
    Distillation(weights={"hard": 1, "soft": 1, "hidden": 1, "relation": 0}, temperature=2, teacher=teacher)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_padding_counts_in_no_term(taught):
    teacher = pretrained.load_model(taught / "model")
    student, layers = take_layers(pretrained.load_model(taught / "model"), "even", 1)
    from encoder_compression.training.losses import HiddenStateMatcher

    student.hidden_matcher = HiddenStateMatcher(student_width=32, teacher_width=32, layer_map=layers)
    student.eval()
    objective = Distillation(weights={"hard": 1, "soft": 1, "hidden": 1, "relation": 0}, temperature=2, teacher=teacher)
    ids, attention_mask = torch.tensor([[2, 8, 9, 3]]), torch.ones(1, 4, dtype=torch.long)
    batch = {"labels": torch.tensor([1]), "teacher_logits": torch.tensor([[0.3, -0.2]])}
    short = objective(student, batch | {"input_ids": ids, "attention_mask": attention_mask})
    pad = torch.nn.functional.pad
    padded = objective(student, batch | {"input_ids": pad(ids, (0, 5)), "attention_mask": pad(attention_mask, (0, 5))})
    for name, term in short.items():
        torch.testing.assert_close(term, padded[name], atol=1e-5, rtol=1e-5)
