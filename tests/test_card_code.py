"""The code of a card runs as it stands and answers what the saved model answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from conftest import make_encoder
from encoder_compression import encoders
from encoder_compression.compressed import compress
from encoder_compression.techniques import onnx_graph, openvino_model
from encoder_compression.techniques.lora import lora
from encoder_compression.training.train import Goal
from written_cards import DATASET, DEVICES, ONNX_ROW, TORCH_ROW, card

OFFLINE = {"HF_HUB_OFFLINE": "1", "CI": "true", "CUDA_VISIBLE_DEVICES": ""}  # CI keeps a plain `import openvino` from reporting to a server


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    return tiny.options | {"devices": DEVICES}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, encoder, tiny):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)  # of the new head
    names = {"id2label": dict(enumerate(DATASET["labels"])), "label2id": {name: index for index, name in enumerate(DATASET["labels"])}}
    encoders.save(
        encoders.add_head(encoder, "AutoModelForSequenceClassification", names), encoders.load_tokenizer(encoder), folder / "model"
    )
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=tiny.options["export"], output=folder / "openvino")
    compress(model=folder / "model", output=folder / "compressed")
    (folder / "adapter").mkdir()
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "artifacts")
    return tmp_path / "artifacts"


def code_of(written: ModelCard) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", written.text, re.DOTALL)
    return code


def run(code: str, folder: Path) -> list[str]:
    """Run code in a process of its own, in ``folder``, and return the lines that it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | OFFLINE, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def expected_logits(model: Path, tokenizer: Path, sentence: str) -> torch.Tensor:
    inputs = encoders.load_tokenizer(tokenizer)(sentence, return_tensors="pt")
    with torch.inference_mode():
        return encoders.load_model(model).eval()(**inputs).logits[0]


@pytest.mark.parametrize("form", ["model", "compressed", "onnx", "openvino"])
def test_the_code_of_the_card_runs_offline_and_answers_what_the_saved_model_answers(folder, options, form):
    code = code_of(card(folder, options, form))
    answer, logits = run(code + "\nprint(logits.tolist())", folder)
    (sentence,) = re.findall(r'^text = "(.*)"$', code, re.MULTILINE)
    expected = expected_logits(folder / "model", folder / "model", sentence)
    probability, label = expected.softmax(-1).max(0)
    assert json.loads(logits) == pytest.approx(expected.tolist(), rel=0, abs=1e-4 if form in ("onnx", "openvino") else 0)
    name, printed = answer.split(": ")
    assert name == DATASET["labels"][int(label)]
    assert float(printed.rstrip("%")) == pytest.approx(100 * float(probability), abs=0.1)


@pytest.mark.parametrize("form", ["model", "onnx"])
@pytest.mark.parametrize("threshold", [-100, 100])
def test_the_code_answers_by_the_threshold_that_validation_chose(folder, options, form, threshold):
    rows = [row | {"class_threshold": threshold} for row in (TORCH_ROW, ONNX_ROW)]
    (answer,) = run(code_of(card(folder, options, form, rows=rows)), folder)
    assert answer.split(":")[0] == DATASET["labels"][threshold < 0]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_the_code_for_the_graph_needs_no_torch(folder, options, form):
    assert run("import sys; sys.modules['torch'] = None\n" + code_of(card(folder, options, form)), folder)


@pytest.mark.parametrize(("parent", "qlora"), [("base", False), ("student", False), ("base", True)])
def test_the_code_of_an_adapters_card_finds_the_model_below_it_and_answers_as_the_merged_one(
    tmp_path, encoder, saved, dataset, options, parent, qlora
):
    """The folders lie as in results/: an adapter of the base at its first step, or of the chain before it."""
    variant = "lora4" if parent == "base" else "teacher+lora4"
    folder, below = tmp_path / variant / "seed1", tmp_path / ("base" if parent == "base" else "teacher/seed1/model")
    if qlora:
        make_encoder(below, hidden_size=64, intermediate_size=128)  # rows of whole blocks
    else:
        shutil.copytree(encoder if parent == "base" else saved / "model", below)
    lora(
        parent=None if parent == "base" else below,
        encoder=below,
        teacher=None,
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options["lora"]["lora4"] | {"qlora": qlora},
        model=folder / "model",
        adapter=folder / "adapter",
        curve=folder / "training.csv",
    )
    step = options | {"lora": {"lora4": options["lora"]["lora4"] | {"qlora": qlora}}}
    written = card(folder, step, "adapter", variant, rows=[TORCH_ROW | {"variant": variant}])
    assert "| cpu-pytorch | 3.50 | 2.00 | 197 | 0.75 | 22.7 | 16.3 |" in written.text
    answer, logits = run(code_of(written) + "\nprint(logits.tolist())", folder)
    expected = expected_logits(folder / "model", below, "This is an example sentence.")
    assert json.loads(logits) == pytest.approx(expected.tolist(), abs=1e-5)
    assert answer.split(":")[0] == DATASET["labels"][int(expected.argmax())]
