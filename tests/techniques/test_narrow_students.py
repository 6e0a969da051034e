"""A student with narrower hidden states trains like any other, and what cannot be narrowed is refused in one line."""

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from conftest import make_encoder
from encoder_compression.config.references import check_references
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.layers import require_narrower
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal
from own_experiments import TINY, load, mistakes
from short_training import TRAINING
from trained_students import run_distill

OPTIONS = {
    "layers": [2],
    "keep": 1,
    "hidden_size": 16,
    "start": "finetuned",
    "teacher": "teacher",
    "ensemble": False,
    "unlabelled": False,
    "gate": 0,
    "temperature": 2,
    "loss": {"hard": 0.1, "soft": 0.5, "hidden": 0.2, "relation": 0.2},
    "training": TRAINING,
}


def teacher_of(folder, encoder, goal):
    pretrained.save(new_model(encoder, goal), encoder_facts.load_tokenizer(encoder), folder)
    provenance.write(folder, options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    return folder


@pytest.fixture
def goal(dataset):
    return Goal(dataset=dataset, metric="accuracy", seed=1, name="test")


@pytest.mark.parametrize("start", ["finetuned", "pretrained"])
def test_it_learns_from_its_wide_teacher_and_loads_anywhere(tmp_path, encoder, goal, start):
    teacher = teacher_of(tmp_path / "teacher", encoder, goal)
    facts = run_distill(teacher=teacher, encoder=encoder, goal=goal, options=OPTIONS | {"start": start}, folder=tmp_path)
    assert facts["layer_map"] == {1: 2}
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    config = model.config
    assert (config.hidden_size, config.num_attention_heads, config.intermediate_size, config.num_hidden_layers) == (16, 1, 32, 1)
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "model" / "model.safetensors").items()}
    assert not any(name.startswith("hidden_matcher") for name in shapes)
    assert shapes["bert.encoder.layer.0.output.dense.weight"] == (16, 32)


def test_a_width_that_cuts_a_head_ends_the_job(tmp_path, encoder, goal):
    teacher = teacher_of(tmp_path / "teacher", encoder, goal)
    with pytest.raises(UserError, match="hidden_size 12 does not cut whole heads out of 2 that are 16 wide each; give 16 to 16"):
        run_distill(teacher=teacher, encoder=encoder, goal=goal, options=OPTIONS | {"hidden_size": 12}, folder=tmp_path)


def test_an_architecture_that_cannot_be_narrowed_ends_the_job(tmp_path, goal):
    encoder = make_encoder(tmp_path / "encoder", "mpnet")
    teacher = teacher_of(tmp_path / "teacher", encoder, goal)
    with pytest.raises(UserError, match="hidden_size cannot work on mpnet: the heads of MPNet share a matrix"):
        run_distill(teacher=teacher, encoder=encoder, goal=goal, options=OPTIONS, folder=tmp_path)


@pytest.mark.parametrize(("hidden_size", "fits"), [(256, True), (352, True), (384, False), (400, False), (250, False)])
def test_whole_heads_stay(hidden_size, fits):
    if fits:
        require_narrower(hidden_size, width=384, heads=12)
    else:
        with pytest.raises(UserError, match="give 32 to 352 in steps of 32"):
            require_narrower(hidden_size, width=384, heads=12)


def experiment(narrow: dict, **changes) -> dict:
    student = {"layers": [1], "gate": 0, "control": False} | narrow
    return TINY | {"distill": {"slim": student}, "variants": ["teacher", "teacher+slim"], "runtimes": {}, "compare": []} | changes


@pytest.mark.parametrize(
    ("narrow", "changes", "words"),
    [
        ({"hidden_size": 12}, {}, "'slim': hidden_size 12 does not cut whole heads out of"),
        ({"hidden_size": 64}, {}, "'slim': hidden_size 64 does not cut whole heads out of"),
        *(
            ({"hidden_size": 16}, {"encoder": {"random": {"architecture": architecture}}}, f"hidden_size cannot work on {architecture}: ")
            for architecture in ("modernbert", "deberta-v2", "electra", "mpnet")
        ),
        (
            {"hidden_size": 16, "start": {"experiment": "mine", "variant": "teacher"}},
            {},
            "a model of another experiment is as wide as it is; take 'hidden_size' or 'start' out",
        ),
    ],
)
def test_what_cannot_be_narrowed_is_refused_in_one_line(tmp_path, narrow, changes, words):
    if "encoder" in changes:
        changes["encoder"]["random"]["vocabulary_from"] = TINY["encoder"]["random"]["vocabulary_from"]
    (line,) = mistakes(tmp_path, experiment(narrow, **changes))
    assert words in line


def test_a_student_may_be_narrowed_again_but_not_widened(tmp_path):
    wide = {"random": TINY["encoder"]["random"] | {"hidden_size": 64, "heads": 4}}
    students = {name: {"layers": [1], "gate": 0, "control": False, "hidden_size": size} for name, size in (("w48", 48), ("w16", 16))}
    options = load(tmp_path, experiment({}, encoder=wide, distill=students, variants=["teacher", "teacher+w48+w16"]))
    check_references({"mine": Study("mine", options)})
    (line,) = mistakes(tmp_path, experiment({}, encoder=wide, distill=students, variants=["teacher", "teacher+w16+w48"]))
    assert "'w48': hidden_size 48 does not cut whole heads out of 1 that are 16 wide each" in line


def test_models_of_other_widths_are_not_averaged(tmp_path):
    changes = {"average": {"soup": {"with": ["teacher"]}}, "variants": ["teacher", "teacher+slim+soup"]}
    (line,) = mistakes(tmp_path, experiment({"hidden_size": 16, "layers": [1, 2]}, **changes))
    assert "'soup' averages hidden states of 16 numbers of 'teacher+slim' with 32 of 'teacher'" in line


def test_the_control_is_as_narrow(tmp_path):
    options = load(tmp_path, experiment({"hidden_size": 16, "control": True}))
    assert options["variants"] == ["teacher", "teacher+slim", "teacher+slim-control"]
    assert options["distill"]["slim-control"]["hidden_size"] == 16


def test_a_narrow_student_is_timed_as_none_of_another_width():
    shape = TECHNIQUES["distill"].shape
    student = {"layers": "even", "keep": 3}
    assert shape("a", student | {"hidden_size": 256}) == shape("b", student | {"hidden_size": 256}) == "3 layers, 256 wide"
    assert shape("a", student) == "3 layers"


def test_a_card_tells_the_width():
    options = OPTIONS | {"training": {"epochs": 2}, "layers": "even", "keep": 3}
    assert "keeps 3 layers (even), with hidden states of 16 numbers, trained" in TECHNIQUES["distill"].describe(options, False)
