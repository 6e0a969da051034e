"""Settings in the files of an encoder change no figure: they are set to normal values once, when it is prepared, and told."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from transformers import AutoModel

from changed_encoders import change
from conftest import TINY_CSV, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.encoders.encoder_facts import load_tokenizer
from encoder_compression.reporting.study_warnings import of_encoder
from encoder_compression.run.provenance import fingerprint
from encoder_compression.runtimes.pytorch_runtime import Runtime
from encoder_compression.runtimes.workload import Workload
from encoder_compression.statistics.quality import score_logits
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.train import Goal

LEFT = {"padding": {"strategy": {"Fixed": 40}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}}
LEFT["padding"] |= {"pad_token": "[PAD]"}
CUT_LEFT = {"truncation": {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0}}
SETTINGS = [
    ("config.json", {"output_hidden_states": True}),
    ("config.json", {"output_attentions": True}),
    ("config.json", {"torchscript": True}),
    ("config.json", {"return_dict": False}),
    ("config.json", {"gradient_checkpointing": True}),
    ("config.json", {"pad_token_id": None}),
    ("config.json", {"chunk_size_feed_forward": 7}),
    ("tokenizer_config.json", {"padding_side": "left"}),
    ("tokenizer_config.json", {"truncation_side": "left"}),
    ("tokenizer_config.json", {"model_input_names": ["input_ids"]}),
    ("tokenizer_config.json", {"vocab_file": "/home/somebody/vocab.txt"}),
    ("tokenizer_config.json", {"tokenizer_file": None}),
    ("tokenizer_config.json", {"init_inputs": ["/home/somebody/vocab.txt"]}),
    ("tokenizer.json", LEFT),
    ("tokenizer.json", CUT_LEFT),
]


def prepare(given: Path, folder: Path) -> dict:
    return prepare_encoder(source={"files": {"folder": str(given)}}, output=folder)


@pytest.fixture
def given(tmp_path, encoder) -> Path:
    """A copy of a random encoder, to be changed."""
    return Path(shutil.copytree(encoder, tmp_path / "given"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory, encoder) -> Path:
    """The same encoder, prepared as it is."""
    folder = tmp_path_factory.mktemp("plain")
    assert prepare(encoder, folder)["normalised"] == []
    return folder


def state(folder: Path) -> tuple:
    """Return what the jobs take from an encoder's files: its config, and all that its tokenizer does."""
    tokenizer = load_tokenizer(folder)
    texts = ["a warm film", "one of the best stories this year, and of the last one too, which was not a warm one"]
    batch = tokenizer(texts, padding=True, truncation=True, max_length=12, return_tensors="np")
    config = AutoModel.from_pretrained(folder).config.to_dict() | {"_name_or_path": None}
    return config, tokenizer.backend_tokenizer.to_str(), {name: values.tolist() for name, values in batch.items()}


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_setting_is_set_to_its_normal_value_and_told(tmp_path, given, plain, name, setting, capsys):
    change(given / name, **setting)
    facts = prepare(given, tmp_path / "base")
    assert state(tmp_path / "base") == state(plain)
    ((key, value),) = setting.items()
    assert facts["normalised"] == [f"{name}: {key}: {'Left' if name == 'tokenizer.json' else json.dumps(value)}"]
    assert facts["normalised"][0] in capsys.readouterr().out
    assert facts["normalised"][0] in of_encoder(facts)[0].text


def test_the_map_of_special_tokens_cannot_set_the_side_either(tmp_path, given, plain):
    """Its keys are arguments of a tokenizer whose config lists no added tokens."""
    change(given / "tokenizer_config.json", remove=("added_tokens_decoder",))
    change(given / "special_tokens_map.json", padding_side="left")
    assert prepare(given, tmp_path / "base")["normalised"] == ['special_tokens_map.json: padding_side: "left"']
    assert load_tokenizer(tmp_path / "base").padding_side == "right"


def test_normal_settings_are_left_as_they_are_and_nothing_is_told(tmp_path, given):
    change(given / "config.json", return_dict=True, output_attentions=False, use_cache=True)
    change(given / "tokenizer_config.json", padding_side="right", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    facts = prepare(given, tmp_path / "base")
    assert facts["normalised"] == of_encoder(facts) == []
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        assert (tmp_path / "base" / name).read_bytes() == (given / name).read_bytes()


def test_padding_and_cutting_in_the_tokenizers_own_file_change_nothing(tmp_path, given, plain):
    """As sentence encoders of the hub have them; transformers sets both at each call."""
    right = {"padding": LEFT["padding"] | {"direction": "Right"}, "truncation": CUT_LEFT["truncation"] | {"direction": "Right"}}
    change(given / "tokenizer.json", **right)
    assert prepare(given, tmp_path / "base")["normalised"] == []
    assert state(tmp_path / "base") == state(plain)


def test_all_of_them_at_once_change_neither_the_trained_model_nor_its_scores(tmp_path, given, plain, tiny):
    for name, setting in SETTINGS:
        change(given / name, **setting)
    assert len(prepare(given, tmp_path / "odd")["normalised"]) == len(SETTINGS)
    models = [teach(folder, tmp_path / folder.name, tiny) for folder in (plain, tmp_path / "odd")]
    weights = {fingerprint(folder / "model" / "model.safetensors") for folder, _ in models}
    assert len(weights) == 1
    for folder, facts in models:
        assert measured_score(folder) == pytest.approx(facts["validation_score"])


def teach(encoder: Path, folder: Path, tiny) -> tuple[Path, dict]:
    """Fine-tune an encoder on the tiny data set, cut so that long texts matter."""
    folder = folder.with_name(f"{folder.name}-taught")
    options = tiny.options["dataset"] | {"files": {"train": str(TINY_CSV)}, "max_length": 16}
    prepare_dataset(options=options, task="classification", encoder=encoder, output=folder / "dataset")
    goal = Goal(dataset=folder / "dataset", metric="accuracy", seed=1, name="test")
    training = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 8, "accumulation": 1, "warmup": 0.1, "weight_decay": 0.01}
    training |= {"patience": 1, "precision": "float32"}
    facts = finetune(encoder=encoder, goal=goal, options={"training": training}, model=folder / "model", curve=folder / "curve.csv")
    return folder, facts


def measured_score(folder: Path) -> float:
    """Return the score on validation of what a measured process makes of batches that it pads itself."""
    workload = Workload(folder / "dataset", "validation")
    runtime = Runtime(folder / "model", device={"hardware": "cpu", "precision": "float32", "threads": 1})
    logits = {}
    for inputs, batch in workload.batches(8, pd.RangeIndex(len(workload.lengths)).to_numpy(), padded=True):
        logits |= dict(zip(inputs.tolist(), runtime(batch), strict=True))
    return score_logits(folder / "dataset", "validation", "accuracy", [logits[index] for index in range(len(logits))])


def test_an_odd_encoder_of_another_architecture_exports_as_the_plain_one(tmp_path):
    from encoder_compression.export import onnx_graph

    given = make_encoder(tmp_path / "given", "distilbert")
    change(given / "config.json", output_hidden_states=True, torchscript=True, return_dict=False)
    prepare(given, tmp_path / "base")
    model = pretrained.add_head(tmp_path / "base", "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(model, load_tokenizer(tmp_path / "base"), tmp_path / "model")
    facts = onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    assert facts["largest_logit_difference"] < 1e-5
    assert pretrained.auto_class(tmp_path / "model") == "AutoModelForSequenceClassification"
