"""The code of a card runs as it stands and answers what the saved model answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from changed_encoders import change
from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.encoder_facts import WEIGHTS
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.export.compressed import compress
from encoder_compression.techniques.lora import lora
from encoder_compression.training.train import Goal
from written_cards import DATASET, DEVICES, ONNX_ROW, OPENVINO_ROW, TORCH_ROW, card

OFFLINE = {"HF_HUB_OFFLINE": "1", "CI": "true", "CUDA_VISIBLE_DEVICES": ""}  # CI keeps a plain `import openvino` from reporting to a server


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    return tiny.options | {"devices": DEVICES}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, encoder, tiny):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)  # of the new head
    names = {"id2label": dict(enumerate(DATASET["labels"])), "label2id": {name: index for index, name in enumerate(DATASET["labels"])}}
    pretrained.save(
        pretrained.add_head(encoder, "AutoModelForSequenceClassification", names), encoder_facts.load_tokenizer(encoder), folder / "model"
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


def run(code: str, folder: Path, missing: tuple[str, ...] = ()) -> list[str]:
    """Run code in a process of its own, in ``folder``, and return the lines that it prints.

    The process reads no path of this one's (-I), and lacks this package and the ``missing`` ones, as a user's may.
    """
    block = f"import sys\nsys.modules.update(dict.fromkeys({['encoder_compression', *missing]}))\n"
    command = [sys.executable, "-I", "-c", block + code]
    done = subprocess.run(command, cwd=folder, env=os.environ | OFFLINE, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def unnamed_packages(written: ModelCard) -> tuple[str, ...]:
    """Return what can be imported here but is no package that a card names for its code, nor needed by one."""
    (named,) = re.findall(r"^With ((?:`[^`]+`(?:, | and )?)+)", written.text, re.MULTILINE)
    waiting, needed = [name.partition("==")[0] for name in re.findall(r"`([^`]+)`", named)], set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in needed:
            needed.add(name)
            requirements = [Requirement(line) for line in metadata.requires(name) or []]
            waiting += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return tuple(
        module
        for module, owners in metadata.packages_distributions().items()
        if not needed & {canonicalize_name(owner) for owner in owners}
    )


SENTENCES = ["This is an example sentence.", "a dull film", "a fine and funny film that never ends"]
ASK = f"\nimport json\nprint(json.dumps([classify(text) for text in {SENTENCES}]))"
THREADS = {
    "model": "torch.get_num_threads()",
    "compressed": "torch.get_num_threads()",
    "onnx": "session.get_session_options().intra_op_num_threads",
    "openvino": "model.get_property('INFERENCE_NUM_THREADS')",
}


def expected_answers(model: Path, tokenizer: Path) -> list[tuple[str, float]]:
    """Return the label of each sentence and its probability, as transformers gives them."""
    read = encoder_facts.load_tokenizer(tokenizer)
    with torch.inference_mode():
        logits = [pretrained.load_model(model).eval()(**read(sentence, return_tensors="pt")).logits[0] for sentence in SENTENCES]
    best = [row.softmax(-1).max(0) for row in logits]
    return [(DATASET["labels"][int(index)], float(probability)) for probability, index in best]


@pytest.mark.parametrize("form", ["model", "compressed", "onnx", "openvino"])
def test_the_code_of_the_card_runs_offline_and_answers_what_the_saved_model_answers(folder, options, form):
    printed, answers = run(code_of(card(folder, options, form)) + ASK, folder)
    expected = expected_answers(folder / "model", folder / "model")
    for (name, probability), (label, reference) in zip(json.loads(answers), expected, strict=True):
        assert (name, probability) == (label, pytest.approx(reference, rel=0, abs=1e-4 if form in ("onnx", "openvino") else 0))
    label, reference = expected[0]
    assert printed.startswith(f"{label}: ")
    assert float(printed.removeprefix(f"{label}: ").rstrip("%")) == pytest.approx(100 * reference, abs=0.1)


@pytest.mark.parametrize("form", THREADS)
def test_the_code_runs_with_the_threads_that_the_figures_were_measured_with(folder, options, form):
    devices = {name: device | {"threads": 1} for name, device in DEVICES.items()}
    code = code_of(card(folder, options | {"devices": devices}, form))
    assert run(f"{code}\nprint({THREADS[form]})", folder)[-1] == "1"
    unmeasured = code_of(card(folder, options, form, rows=[]))
    assert "threads" not in unmeasured.lower()


def test_the_card_names_the_versions_that_the_figures_were_measured_with(folder, options):
    assert "With `transformers==4.57.6` and `torch==2.9.0`, in the versions of the measurement, run" in card(folder, options).text
    assert (
        "With `onnxruntime==1.31.1` and `tokenizers==0.23.3` (neither `torch` nor `transformers`), in" in card(folder, options, "onnx").text
    )
    assert "With `transformers` and `torch`, run beside" in card(folder, options, rows=[]).text


PAIR = {"text": "sentence", "text_pair": "other", "label": "label"}


@pytest.mark.parametrize("form", ["model", "onnx"])
def test_the_code_of_a_pair_task_classifies_two_texts(folder, options, form):
    source = options["dataset"] | {"columns": PAIR}
    code = code_of(card(folder, options | {"dataset": source}, form))
    inputs = encoder_facts.load_tokenizer(folder / "model")("a dull film", "a fine film", return_tensors="pt")
    with torch.inference_mode():
        reference = pretrained.load_model(folder / "model").eval()(**inputs).logits[0].softmax(-1)
    answer = run(code + '\nprint(classify("a dull film", "a fine film")[1])', folder)[-1]
    assert float(answer) == pytest.approx(float(reference.max()), abs=1e-4)


HEADS = {  # task: (class of the head, its arguments, what dataset.json says, call of the function)
    "regression": ("AutoModelForSequenceClassification", {"num_labels": 1}, {"label_range": [0.0, 5.0]}, 'predict("a dull film")'),
    "question-answering": (
        "AutoModelForQuestionAnswering",
        {},
        {"unanswerable": False, "max_length": 32},
        'answer("Who?", "Two sisters built it.")',
    ),
    "masked-language-modelling": ("AutoModelForMaskedLM", {}, {}, 'fill(f"a {mask} film")'),
}


@pytest.mark.parametrize("form", ["model", "onnx"])
@pytest.mark.parametrize("task", HEADS)
def test_the_code_of_every_task_offers_a_function_that_gives_the_same_in_every_form(tmp_path, encoder, tiny, options, task, form):
    auto_class, head, described, call = HEADS[task]
    torch.manual_seed(0)
    pretrained.save(pretrained.add_head(encoder, auto_class, head), encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    onnx_graph.export(model=tmp_path / "model", options=tiny.options["export"], output=tmp_path / "onnx")
    changed = options | {"task": task, "dataset": options["dataset"] | {"stride": 8}}
    dataset = {"rows": DATASET["rows"], "dropped": {}} | described
    rows = [row | {"metric": "pearson"} for row in (TORCH_ROW, ONNX_ROW)]
    answers = {
        each: run(f"{code_of(card(tmp_path, changed, each, rows=rows, dataset=dataset))}\nprint(repr({call}))", tmp_path)
        for each in ("model", form)
    }
    assert len(answers["model"]) == 2
    if task == "regression":
        assert float(answers[form][1]) == pytest.approx(float(answers["model"][1]), abs=1e-4)
    else:
        assert answers[form] == answers["model"]


@pytest.mark.parametrize("form", ["model", "onnx"])
@pytest.mark.parametrize("threshold", [-100, 100])
def test_the_code_answers_by_the_threshold_that_validation_chose(folder, options, form, threshold):
    rows = [row | {"class_threshold": threshold} for row in (TORCH_ROW, ONNX_ROW)]
    (answer,) = run(code_of(card(folder, options, form, rows=rows)), folder)
    assert answer.split(":")[0] == DATASET["labels"][threshold < 0]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_the_code_for_the_graph_needs_neither_torch_nor_transformers(folder, options, form):
    assert run(code_of(card(folder, options, form)), folder, missing=("torch", "transformers"))


@pytest.fixture(scope="module")
def headless(tmp_path_factory, encoder, dataset, options):
    """A model without some attention heads in each form, and an adapter on top of it, where results/ has them."""
    folder = tmp_path_factory.mktemp("headless")
    model, adapter = folder / "teacher+width40/seed1", folder / "teacher+width40+lora4/seed1"
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"id2label": dict(enumerate(DATASET["labels"]))})
    pretrained.remove_heads(network, {1: [0]})
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), model / "model")
    onnx_graph.export(model=model / "model", options=options["export"], output=model / "onnx")
    openvino_model.convert(model=model / "model", graph=model / "onnx", options=options["export"], output=model / "openvino")
    compress(model=model / "model", output=model / "compressed")
    add_adapter(adapter, model / "model", dataset, options["lora"]["lora4"], below_is_base=False)
    return {form: model for form in ("model", "compressed", "onnx", "openvino")} | {"adapter": adapter}


def add_adapter(folder: Path, below: Path, dataset: Path, options: dict, *, below_is_base: bool) -> None:
    """Train an adapter of a model that lies below it, into a folder, with the merged weights beside it."""
    lora(
        parent=None if below_is_base else below,
        encoder=below,
        teacher=None,
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options,
        model=folder / "model",
        adapter=folder / "adapter",
        curve=folder / "training.csv",
    )


@pytest.mark.parametrize("form", ["model", "compressed", "onnx", "openvino", "adapter"])
def test_the_code_for_a_model_without_some_heads_runs_where_nothing_is_installed_but_what_its_card_names(headless, encoder, options, form):
    folder = headless[form]
    variant = folder.parent.name
    row = {"onnx": ONNX_ROW, "openvino": OPENVINO_ROW}.get(form, TORCH_ROW)
    written = card(folder, options, form, variant, rows=[row | {"variant": variant}])
    missing = unnamed_packages(written)
    assert "snakemake" in missing and ("transformers" in missing) == (form in ("onnx", "openvino"))
    _, answers = run(code_of(written) + ASK, folder, missing)
    for (name, probability), (label, reference) in zip(json.loads(answers), expected_answers(folder / "model", encoder), strict=True):
        assert (name, probability) == (label, pytest.approx(reference, abs=1e-4))


def test_the_code_of_an_adapters_card_reads_a_base_in_half_precision_as_the_training_did(tmp_path, encoder, dataset, options):
    below, folder = tmp_path / "base", tmp_path / "lora4/seed1"
    shutil.copytree(encoder, below)
    change(below / "config.json", dtype="bfloat16")
    save_file({name: tensor.bfloat16() for name, tensor in load_file(encoder / WEIGHTS).items()}, below / WEIGHTS, {"format": "pt"})
    add_adapter(folder, below, dataset, options["lora"]["lora4"], below_is_base=True)
    _, answers = run(code_of(card(folder, options, "adapter", "lora4", rows=[TORCH_ROW | {"variant": "lora4"}])) + ASK, folder)
    for (name, probability), (label, reference) in zip(json.loads(answers), expected_answers(folder / "model", below), strict=True):
        assert (name, probability) == (label, pytest.approx(reference, abs=1e-6))


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
    add_adapter(folder, below, dataset, options["lora"]["lora4"] | {"qlora": qlora}, below_is_base=parent == "base")
    step = options | {"lora": {"lora4": options["lora"]["lora4"] | {"qlora": qlora}}}
    written = card(folder, step, "adapter", variant, rows=[TORCH_ROW | {"variant": variant}])
    assert "| cpu-pytorch | 3.50 | 3.60 | 2.00 | 197 | 0.75 | 22.7 | 16.3 |" in written.text
    _, answers = run(code_of(written) + ASK, folder)
    for (name, probability), (label, reference) in zip(json.loads(answers), expected_answers(folder / "model", below), strict=True):
        assert (name, probability) == (label, pytest.approx(reference, abs=1e-5))


@pytest.mark.parametrize("form", ["model", "compressed"])
@pytest.mark.parametrize("architecture", ["bert", "distilbert", "modernbert", "deberta-v2"])
def test_the_code_takes_removed_heads_out_and_answers_what_the_full_shape_answers(tmp_path, options, architecture, form):
    encoder = make_encoder(tmp_path / "encoder", architecture, heads=4)
    names = {"id2label": dict(enumerate(DATASET["labels"]))}
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", names)
    pretrained.remove_heads(model, {1: [0, 2, 3]})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    compress(model=tmp_path / "model", output=tmp_path / "compressed")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    written = card(tmp_path, options, form, "teacher+width40", rows=[TORCH_ROW | {"variant": "teacher+width40"}])
    assert "This file holds zeros in their place" in written.text
    count = "\nprint(sum(weight.numel() for weight in model.parameters()))"
    *_, answers, parameters = run(code_of(written) + ASK + count, tmp_path)
    for (name, probability), (label, reference) in zip(json.loads(answers), expected_answers(tmp_path / "model", encoder), strict=True):
        assert (name, probability) == (label, pytest.approx(reference, abs=1e-6))
    bias = architecture != "modernbert"
    removed_head = 3 * 8 * (32 + bias) + 8 * 32  # 8 rows of query, key and value with their biases, 8 columns of the output
    assert int(parameters) == sum(weight.numel() for weight in plain.parameters()) - 3 * removed_head
