"""The experiment of a contract: encoder, devices and chains follow from table and model, and its file reads like one of ours."""

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.contract import candidates, experiment
from encoder_compression.contract.experiment import Wishes
from encoder_compression.contract.look import look
from encoder_compression.errors import UserError

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


@pytest.mark.parametrize("model", ["nothing", "a/b/c"])
def test_what_is_neither_is_one_line(model):
    with pytest.raises(UserError, match=f"--model {model}: no such folder, and no name on the hub, such as org/name"):
        experiment.encoder_of(model, ROOT / "config")


def test_the_device_stands_beside_plain_pytorch_on_the_same_hardware(seen):
    options = experiment.beginning(seen, {}, Wishes(points=0.5, device="cpu-onnxruntime"))
    assert list(options["devices"]) == ["cpu-pytorch", "cpu-onnxruntime"]
    assert options["budget"] == {"points": 0.5}
    assert options["dataset"]["columns"] == {"text": "words", "label": "mood"}
    alone = experiment.beginning(seen, {}, Wishes(points=1, device="cpu-pytorch"))
    assert list(alone["devices"]) == ["cpu-pytorch"]
    with pytest.raises(UserError, match="--device cpu-onx: this machine has none of that name; did you mean 'cpu-onnxruntime'"):
        experiment.beginning(seen, {}, Wishes(points=1, device="cpu-onx"))


@pytest.mark.parametrize(("depth", "kept"), [(12, [6, 4]), (6, [3, 2]), (4, [2, 1]), (3, [1]), (2, [1]), (1, [])])
def test_students_keep_half_and_a_third_of_the_layers(depth, kept):
    assert candidates.students(depth) == kept


@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
@pytest.mark.parametrize("depth", [1, 2, 6, 12])
@pytest.mark.parametrize("vocabulary", [None, 500])
def test_every_step_of_a_chain_is_configured_and_every_configured_step_is_used(runtime, depth, vocabulary):
    sections = candidates.steps(depth, runtime=runtime, vocabulary=vocabulary, training={"epochs": 3, "learning_rate": 1e-4})
    configured = {step for section in sections.values() for step in section}
    chains = candidates.chains(depth, runtime=runtime, has_words=vocabulary is not None, can_shrink=True)
    used = {step for chain in chains for step in chain.steps} - {"teacher"}
    assert used == configured
    assert len(set(chains)) == len(chains)


def test_heads_that_cannot_be_cut_stay():
    chains = candidates.chains(12, runtime="onnxruntime", has_words=True, can_shrink=False)
    assert chains == [
        "teacher", "teacher+int8", "teacher+words+int8", "teacher+layers6+int8", "teacher+layers6+words+int8", "teacher+layers4+int8",
        "teacher+layers4+words+int8",
    ]  # fmt: skip


def test_the_file_holds_the_options_and_the_command(tmp_path):
    training = {"epochs": 3}
    options = {"encoder": {"hub": {"id": "a/b"}}, "task": "classification", "variants": ["a", "b"], "trim": {}, "distill": {"x": training}}
    experiment.write(options | {"shrink": {"y": training}}, tmp_path / "mine.yaml", "encoder-compression compress rows.csv")
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert text.startswith("# encoder-compression compress rows.csv\n")
    assert yaml.safe_load(text) == {key: value for key, value in options.items() if value} | {"shrink": {"y": training}}
    assert "task: classification\n" in text and "&" not in text
    assert [Path(tmp_path / "mine.yaml")] == list(tmp_path.iterdir())
