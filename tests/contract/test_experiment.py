"""The experiment of a contract: encoder, devices and chains follow from table and model, and its file reads like one of ours."""

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.contract import experiment
from encoder_compression.contract.candidates import Space
from encoder_compression.contract.clauses import Clauses
from encoder_compression.contract.experiment import Wishes
from encoder_compression.contract.look import look
from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain

NOTHING = {"text": None, "text_pair": None, "label": None, "task": None}


@pytest.fixture
def seen(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("words,mood\n" + "".join(f"it was number {number},{number % 2}\n" for number in range(200)), encoding="utf-8")
    return look(path, **NOTHING)


@pytest.mark.parametrize(
    ("model", "encoder"),
    [
        ("org/name", {"hub": {"id": "org/name"}}),
        ("org/name@abc", {"hub": {"id": "org/name", "revision": "abc"}}),
        (str(ROOT / "tests"), {"files": {"folder": str(ROOT / "tests")}}),
    ],
)
def test_a_model_is_a_folder_or_a_name_on_the_hub(model, encoder):
    assert experiment.encoder_of(model, ROOT / "config") == encoder


def test_without_a_model_the_default_studys_encoder_is_taken():
    reviews = yaml.safe_load((ROOT / "config/experiments/reviews.yaml").read_text(encoding="utf-8"))
    assert experiment.encoder_of(None, ROOT / "config") == reviews["encoder"]


@pytest.mark.parametrize("model", ["nothing", "a/b/c", "../nomodel", "/no/model", "./a"])
def test_what_is_neither_is_one_line(model):
    with pytest.raises(UserError, match=f"--model {model}: no such folder, and no name on the hub, such as org/name"):
        experiment.encoder_of(model, ROOT / "config")


def test_the_device_stands_beside_plain_pytorch_on_the_same_hardware(seen):
    options = experiment.beginning(seen, {}, Wishes(Clauses(points=0.5), device="cpu-onnxruntime", minutes=None))
    assert list(options["devices"]) == ["cpu-pytorch", "cpu-onnxruntime"]
    assert options["budget"] == {"points": 0.5}
    assert options["dataset"]["columns"] == {"text": "words", "label": "mood"}
    alone = experiment.beginning(seen, {}, Wishes(Clauses(points=1), device="cpu-pytorch", minutes=None))
    assert list(alone["devices"]) == ["cpu-pytorch"]
    with pytest.raises(UserError, match="--device cpu-onx: this machine has none of that name; did you mean 'cpu-onnxruntime'"):
        experiment.beginning(seen, {}, Wishes(Clauses(points=1), device="cpu-onx", minutes=None))


def test_clauses_of_cost_are_those_of_the_gate_and_the_file_names_the_device_that_the_contract_is_for(seen):
    clauses = Clauses(points=1, latency_ms=3, memory_mb=200)
    options = experiment.beginning(seen, {}, Wishes(clauses, device="cpu-onnxruntime", minutes=60))
    assert options["gate"] == {"latency_ms": {"at_most": 3}, "memory_mb": {"at_most": 200}}
    assert options["contract"] == {"device": "cpu-onnxruntime"}


def test_finalists_run_on_the_device_alone_and_the_teacher_beside_them_on_both():
    options = {"devices": {"cpu-pytorch": {"runtime": "pytorch"}, "cpu-openvino": {"runtime": "openvino"}}}
    finalists = [Chain("teacher+words+openvino8"), Chain("teacher")]
    chosen = experiment.with_finalists(options, finalists, device="cpu-openvino")
    assert chosen["variants"] == ["teacher", "teacher+words+openvino8"]
    assert chosen["runtimes"] == {"teacher+words+openvino8": ["openvino"]}


def test_the_file_holds_the_options_and_the_command(tmp_path):
    training = {"epochs": 3}
    options = {"encoder": {"hub": {"id": "a/b"}}, "task": "classification", "variants": ["a", "b"], "trim": {}, "distill": {"x": training}}
    experiment.write(options | {"shrink": {"y": training}}, tmp_path / "mine.yaml", "encoder-compression compress rows.csv")
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert text.startswith("# encoder-compression compress rows.csv\n")
    assert yaml.safe_load(text) == {key: value for key, value in options.items() if value} | {"shrink": {"y": training}}
    assert "task: classification\n" in text and "&" not in text
    assert [Path(tmp_path / "mine.yaml")] == list(tmp_path.iterdir())


SPACE = Space(6, 384, "onnxruntime", None, True, False, {"epochs": 3, "learning_rate": 1e-4})


def test_the_steps_of_a_search_leave_what_else_stands_in_the_file(seen):
    options = experiment.beginning(seen, {}, Wishes(Clauses(points=1), device="cpu-onnxruntime", minutes=None))
    complete = experiment.with_steps(options | {"seeds": [7]}, SPACE)
    assert complete["seeds"] == [7]
    assert complete["finetune"] == {
        "teacher": {"training": {"epochs": 3, "learning_rate": 1e-4}},
        "pace": {"training": {"learning_rate": 1e-4, "steps": 12}},
    }
    assert {"layers4", "layers3_short", "layers2_shape"} <= set(complete["distill"])


def test_a_teacher_that_is_given_trains_no_more_and_every_other_option_stays():
    options = experiment.with_steps({"task": "regression"}, SPACE)
    given = experiment.with_teacher(options, experiment.GIVEN)
    assert given["finetune"]["teacher"] == {"training": {"epochs": 0}}
    assert given["finetune"]["pace"] == options["finetune"]["pace"]
    assert {**given, "finetune": None} == {**options, "finetune": None}


def test_what_was_taken_from_the_table_is_told_in_a_line(seen):
    options = experiment.beginning(seen, {}, Wishes(Clauses(points=1), device="cpu-onnxruntime", minutes=None))
    assert experiment.in_words(options) == "text 'words', label 'mood', task classification"
