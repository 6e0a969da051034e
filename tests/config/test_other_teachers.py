"""A student may learn from a model of another experiment, which has the same task, data and classes, or from files of probabilities."""

import re

import pytest

from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain
from encoder_compression.study.fitted import Fitted
from encoder_compression.study.inputs import Experiment, Step
from encoder_compression.study.nested import merge
from own_experiments import TINY, load_studies

BIG = {key: TINY[key] for key in ("dataset", "finetune")} | {"variants": ["teacher"]}
BIG |= {"encoder": {"random": {"architecture": "roberta", "vocabulary_from": "tests/data/tiny.csv"}}}
SMALL = {key: TINY[key] for key in ("encoder", "dataset")} | {
    "distill": {"small": {"teacher": {"experiment": "big", "variant": "teacher"}, "gate": 0}},
    "variants": ["small"],
    "baseline": {"variant": "small-control"},
}
FILES = {"distill": {"small": {"soft_targets": {"files": {"train": "tests/data/tiny.csv"}}, "gate": 0}}}


def changed(options: dict, **changes) -> dict:
    return merge(options, changes)


def with_step(**changes) -> dict:
    return changed(SMALL, distill={"small": changes})


def from_files(**changes) -> dict:
    return SMALL | changed(FILES, distill={"small": changes})


def test_a_student_of_another_experiment_begins_its_chain_with_all_layers_of_its_encoder(tmp_path):
    studies = load_studies(tmp_path, ["small"], small=SMALL, big=BIG)
    assert {name: study.options["reported"] for name, study in studies.items()} == {"small": True, "big": False}
    assert {variant for variant, *_ in studies["small"].rows()} == {"small", "small-control"}
    student = Step(studies, "small", Chain("small"), 3)
    assert (student.parent, student.teacher) == ([], "results/big/teacher/seed1/model")
    assert student.soft_targets == "results/small/fitted/small/soft_targets"
    assert Experiment(studies, "small").pretrained_models == ["results/big/teacher/seed1/model"]


def test_its_control_reads_no_teacher(tmp_path):
    studies = load_studies(tmp_path, ["small"], small=SMALL, big=BIG)
    control = Step(studies, "small", Chain("small-control"), 3)
    assert (control.parent, control.teacher, control.soft_targets) == ([], [], [])


def test_its_soft_targets_are_those_of_the_seed_or_of_all_seeds(tmp_path):
    seed = with_step(teacher={"seed": 7})
    ensemble = with_step(ensemble=True)
    studies = load_studies(tmp_path, ["seed", "ensemble"], seed=seed, ensemble=ensemble, big=BIG | {"seeds": [1, 2]})
    read = {name: Fitted(studies, name, "small", "soft_targets").reads for name in ("seed", "ensemble")}
    assert read["seed"] == {
        "logits": "results/big/teacher/seed7/soft_targets",
        "read": "results/big/dataset",
        "labels": "results/big/dataset",
        "files": [],
        "rows": "results/seed/dataset",
    }
    assert read["ensemble"]["logits"] == "results/big/teacher/soft_targets"


def test_a_student_of_files_has_no_teacher(tmp_path):
    studies = load_studies(tmp_path, ["small"], small=from_files())
    student = Step(studies, "small", Chain("small"), 1)
    assert (student.teacher, student.soft_targets) == ([], "results/small/fitted/small/soft_targets")
    assert Fitted(studies, "small", "small", "soft_targets").reads["files"] == ["tests/data/tiny.csv"]


def test_it_may_also_come_behind_another_step(tmp_path):
    options = with_step(layers="even", keep=1) | {"finetune": TINY["finetune"], "variants": ["teacher+small"], "baseline": {}}
    studies = load_studies(tmp_path, ["small"], small=options, big=BIG)
    assert Step(studies, "small", Chain("teacher+small"), 1).parent == "results/small/teacher/seed1/model"


@pytest.mark.parametrize(
    ("small", "big", "message"),
    [
        (
            with_step(teacher={"experiment": "bigg"}),
            BIG,
            "small.yaml:15: distill.small.teacher.experiment: unknown experiment 'bigg'; did you mean 'big'?",
        ),
        (with_step(teacher={"variant": "teachr"}), BIG, "big: unknown step 'teachr'; did you mean 'teacher'?"),
        (
            with_step(teacher={"experiment": "small"}),
            BIG,
            "small.yaml:15: distill.small.teacher.experiment: experiments refer to each other in a circle, small -> small; take",
        ),
        (
            with_step(teacher={"variant": "teacher+words100"}),
            BIG | {"trim": {"words100": {"vocabulary": 300}}},
            "small: distill.small.teacher: 'teacher+words100' has a vocabulary that 'words100' cut; name its parent 'teacher'",
        ),
        (
            SMALL,
            changed(BIG, task="regression"),
            "small: distill.small.teacher: 'big' is about regression, and this experiment about classification; "
            "name a model of the same task",
        ),
        (
            SMALL,
            changed(BIG, dataset={"split": {"test": 0.3}}),
            "small: distill.small.teacher: 'big' has another dataset.split, so its models may have seen what this experiment tests; "
            "give both experiments the same 'dataset'",
        ),
        (
            changed(SMALL, dataset={"label_names": ["bad", "good"]}),
            changed(BIG, dataset={"label_names": ["negative", "good"]}),
            "small: distill.small.teacher: the classes are called bad, good here and negative, good in 'big'; "
            "call them alike in both 'label_names', in any order",
        ),
        (
            with_step(ensemble=True),
            BIG,
            "small: distill.small.teacher: an ensemble is the teachers of all seeds, and 'big' has one; name more",
        ),
        (
            changed(with_step(unlabelled=True), unlabelled=TINY["unlabelled"]),
            BIG,
            "small: distill.small.teacher: 'big' has not the same unlabeled texts, on which its model is to answer; give both experiments",
        ),
        (
            with_step(loss={"hidden": 1}),
            BIG,
            "small: distill.small: 'hidden' or 'relation' needs a teacher of the student's tokens, but 'big' has a tokenizer of its own "
            "(bert and roberta); give the loss 'hard' and 'soft' alone, or both encoders one tokenizer",
        ),
        (
            with_step(loss={"hidden": 1}),
            changed(BIG, encoder={"random": {"architecture": "bert", "layers": 1}}),
            "small: distill.small: 'hidden' compares 2 layers of the student with those of 'teacher', which has 1; take 'hidden' out",
        ),
    ],
)
def test_a_teacher_that_cannot_teach_is_one_line_with_the_remedy(tmp_path, small, big, message):
    with pytest.raises(UserError) as error:
        load_studies(tmp_path, ["small"], small=small, big=big)
    assert str(error.value).replace(f"{tmp_path}/experiments/", "").startswith(message)
    assert "\n" not in str(error.value)


def test_classes_in_another_order_and_other_lengths_are_no_other_data(tmp_path):
    ours, theirs = {"label_names": ["bad", "good"], "max_length": 16}, {"label_names": ["Good", "bad"]}
    load_studies(tmp_path, ["small"], small=changed(SMALL, dataset=ours), big=changed(BIG, dataset=theirs))


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (changed(SMALL, distill={"small": {"teacher": "teacher"}}), "distill.small: the key 'layers' is missing; add it"),
        (
            from_files(teacher={"experiment": "big", "variant": "teacher"}),
            "distill.small: 'soft_targets' stand in place of a teacher; take one of the two out",
        ),
        (
            from_files(loss={"relation": 1}),
            "distill.small: files have no hidden states; take 'hidden' and 'relation' out of the loss, or name a teacher",
        ),
        (
            from_files(soft_targets={"files": {"train": "tests/data/tiny.cvs"}}),
            "distill.small.soft_targets.files.train: 'tests/data/tiny.cvs' does not exist; did you mean 'tests/data/tiny.csv'?",
        ),
        (with_step(teacher={"experimnt": "big"}), "distill.small.teacher: unknown key 'experimnt'; did you mean 'experiment'?"),
        (
            changed(TINY, distill={"even1": {"teacher": 3}}),
            "distill.even1.teacher: 3 is not a text or keys with values, such as {}; write it as such",
        ),
        (
            from_files(ensemble=True),
            "distill.small: an ensemble has teachers, but the soft targets are those of files; take 'ensemble' out",
        ),
        (
            from_files(soft_targets={"columns": {"text_pair": "text"}}),
            "distill.small.soft_targets: name text_pair in both 'dataset' and 'soft_targets', or in neither",
        ),
        (
            changed(SMALL, task="regression") | changed(FILES),
            "distill.small: probabilities are those of classes, but the task is regression; name a teacher, or take them out",
        ),
        (
            with_step(layers="important"),
            "variants: variant 'small': what a layer of 'small' is worth shows in a trained model before it, but it comes "
            "first; name the layers",
        ),
        (
            with_step(start={"experiment": "big", "variant": "teacher"}, layers="even"),
            "variants: variant 'small': 'small' begins the chain and starts from the experiment's encoder; "
            "name that model there, not in 'start'",
        ),
        (
            changed(TINY, prune={"magnitude60": {"teacher": {"experiment": "big", "variant": "teacher"}}}),
            "prune.magnitude60: a prune step learns from a step of its chain; name that, or distil a student",
        ),
    ],
)
def test_what_a_student_of_elsewhere_does_not_go_with_is_told(tmp_path, experiment, message):
    with pytest.raises(UserError) as error:
        load_studies(tmp_path, ["mine"], mine=experiment, big=BIG)
    assert re.sub(r"^.*/mine.yaml:\d+: ", "", str(error.value).splitlines()[0]) == message
