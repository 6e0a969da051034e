"""What an encoder's files say is what transformers reads in them, with the defaults of its class, and no torch is imported for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from changed_encoders import change
from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, layers, pretrained
from encoder_compression.errors import UserError

ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "mpnet"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def made(request, tmp_path_factory) -> Path:
    return make_encoder(tmp_path_factory.mktemp(request.param), request.param)


def bare(folder: Path, model_type: str) -> Path:
    """Write a config.json that leaves everything to the class."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_keys_that_are_left_out_have_the_default_of_the_class(tmp_path, name):
    folder, config = bare(tmp_path / name, name), AutoConfig.for_model(name)
    assert encoder_facts.token_types(folder) == getattr(config, "type_vocab_size", 1)
    assert encoder_facts.depth(folder) == layers.depth({"files": {"folder": str(folder)}}) == config.num_hidden_layers
    before = config.pad_token_id + 1 if name in ("roberta", "mpnet") else 0
    assert encoder_facts.positions(folder) == config.max_position_embeddings - before


def longest_input(model, pad: int) -> int:
    """Return how many tokens a model of 64 positions reads before it fails."""
    for length in range(50, 70):
        try:
            with torch.inference_mode():
                model(input_ids=torch.full((1, length), pad + 1))
        except (IndexError, RuntimeError):
            return length - 1
    raise AssertionError("it never fails")


def test_an_input_of_all_positions_can_be_read_and_none_of_one_token_more(made):
    model = AutoModel.from_pretrained(made).eval()
    assert longest_input(model, encoder_facts.load_tokenizer(made).pad_token_id) == encoder_facts.positions(made)


@pytest.mark.parametrize("pad", [0, 3, 9])
def test_positions_are_counted_from_the_id_of_padding(tmp_path, pad):
    folder = make_encoder(tmp_path, "roberta")
    change(folder / "config.json", pad_token_id=pad)
    assert longest_input(AutoModel.from_pretrained(folder).eval(), pad) == encoder_facts.positions(folder) == 63 - pad


def with_head(encoder: Path, folder: Path, auto_class: str = "AutoModelForSequenceClassification", **head) -> Path:
    """Write the encoder with a head."""
    pretrained.save(pretrained.add_head(encoder, auto_class, head), encoder_facts.load_tokenizer(encoder), folder)
    return folder


def test_a_classification_head_has_the_names_of_its_outputs_in_their_order(made, tmp_path):
    names = {10: "k", 2: "c", 0: "a", 1: "b"} | {index: f"n{index}" for index in range(3, 10)}
    folder = with_head(made, tmp_path, id2label=names, label2id={name: index for index, name in names.items()})
    assert encoder_facts.classification_head(folder) == [names[index] for index in range(11)]


def test_heads_that_classify_no_texts_are_none(made, tmp_path):
    assert encoder_facts.classification_head(made) is None
    assert encoder_facts.classification_head(with_head(made, tmp_path / "regression", num_labels=1)) is None
    assert encoder_facts.classification_head(with_head(made, tmp_path / "tokens", "AutoModelForTokenClassification", num_labels=4)) is None
    assert encoder_facts.classification_head(with_head(made, tmp_path / "questions", "AutoModelForQuestionAnswering")) is None


def test_a_head_in_the_config_without_its_weights_is_none(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "folder"))
    change(folder / "config.json", architectures=["BertForSequenceClassification"], id2label={"0": "no", "1": "yes"})
    assert encoder_facts.classification_head(folder) is None


def test_a_head_with_other_outputs_than_names_is_one_line(encoder, tmp_path):
    folder = with_head(encoder, tmp_path, num_labels=3)
    change(folder / "config.json", id2label={"0": "no", "1": "yes"})
    with pytest.raises(UserError, match="config.json: id2label names 2 classes, but the head in model.safetensors has 3 outputs"):
        encoder_facts.classification_head(folder)


def test_a_config_that_could_run_code_is_not_read(tmp_path):
    folder = bare(tmp_path / "lightglue", "lightglue")
    for read in (encoder_facts.load_config, encoder_facts.depth, lambda folder: layers.depth({"files": {"folder": str(folder)}})):
        with pytest.raises(UserError, match="unknown model_type 'lightglue'"):
            read(folder)


def test_what_a_measured_process_asks_imports_neither_torch_nor_transformers(made):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
        f"from encoder_compression.encoders import encoder_facts as facts; made = {str(made)!r}; "
        "print(facts.positions(made), facts.depth(made), facts.attention_heads(made))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.split()[1:] == ["2", "2"], done.stderr


def test_graphs_of_an_encoder_that_counts_from_another_padding_read_all_its_positions(tmp_path, tiny):
    """ONNX Runtime and OpenVINO, which pads single inputs to a multiple of 8 tokens where there are as many positions."""
    from encoder_compression.export import onnx_graph, openvino_model
    from encoder_compression.runtimes.openvino_runtime import Runtime

    encoder = make_encoder(tmp_path / "encoder", "roberta")
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2, "pad_token_id": 5}).eval()
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    assert encoder_facts.positions(tmp_path / "model") == 58
    options = tiny.options["export"]
    onnx_graph.export(model=tmp_path / "model", options=options, output=tmp_path / "onnx")
    openvino_model.convert(model=tmp_path / "model", graph=tmp_path / "onnx", options=options, output=tmp_path / "openvino")
    device = {"runtime": "openvino", "hardware": "cpu", "threads": 1, "precision": "float32"}
    runtime = Runtime(tmp_path / "openvino", device=device)
    for length in (57, 58):
        ids = torch.full((1, length), 9)
        with torch.inference_mode():
            expected = model(input_ids=ids).logits.numpy()
        batch = {"input_ids": ids.numpy(), "attention_mask": torch.ones_like(ids).numpy()}
        assert runtime(batch) == pytest.approx(expected, abs=1e-5)
