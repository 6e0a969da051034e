"""predict.py stands alone: without transformers, torch and this package it gives the very predictions that the study scored."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from conftest import ROOT, TINY_CSV, make_encoder
from encoder_compression.contract import raw_inputs
from encoder_compression.data.dataset import prepare_dataset
from measuring_options import PYTORCH
from small_deliveries import OPENVINO, converted, deliver, predict, quantized, random_model, run

FILES = {"format": {"separator": ",", "header": True, "quoting": True}, "split": {"validation": 0.2, "test": 0.3}}
SQUAD = {
    "files": {"train": str(ROOT / "tests/data/tiny_squad.json")},
    "columns": {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"},
    "max_length": 24,  # a question has 6 tokens at most, and most contexts need several windows
    "stride": 4,
}
CLASSES = {"num_labels": 2}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, encoder) -> Path:
    return random_model(tmp_path_factory.mktemp("classifier"), encoder, head=CLASSES)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory, classifier, dataset, tiny) -> tuple[Path, pd.DataFrame]:
    """The delivery of a classifier in dynamic INT8, and the predictions of its measurement."""
    artifact = quantized(classifier, dataset, tiny.options["quantize"]["int8"])
    return deliver(tmp_path_factory.mktemp("delivered"), artifact, dataset)


def assert_same_classes(answers: list[dict], predicted: pd.DataFrame, labels: list[str]) -> None:
    assert [answer["label"] for answer in answers] == [labels[place] for place in predicted["prediction"]]
    logits = np.stack(predicted["logits"]).astype(float)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = shares[np.arange(len(shares)), predicted["prediction"]]
    np.testing.assert_allclose([answer["probability"] for answer in answers], expected, rtol=1e-4)
    assert len(set(predicted["prediction"])) > 1


def test_classes_of_dynamic_int8_are_those_of_the_measurement_one_text_at_a_time(delivered, dataset):
    delivery, predicted = delivered
    settings = json.loads((delivery / "settings.json").read_text(encoding="utf-8"))
    assert settings["batch_size"] == 1
    assert_same_classes(predict(delivery, raw_inputs.of_split(dataset, "test")), predicted, ["0", "1"])


def test_a_float_graph_runs_in_batches_and_gives_the_same_classes(tmp_path, classifier, dataset):
    delivery, predicted = deliver(tmp_path, classifier / "onnx", dataset)
    assert json.loads((delivery / "settings.json").read_text(encoding="utf-8"))["batch_size"] == 4
    assert_same_classes(predict(delivery, raw_inputs.of_split(dataset, "test")), predicted, ["0", "1"])


def test_openvino_gives_the_same_classes(tmp_path, classifier, dataset):
    delivery, predicted = deliver(tmp_path, converted(classifier), dataset, device=OPENVINO)
    settings = json.loads((delivery / "settings.json").read_text(encoding="utf-8"))
    assert settings["lengths"] and all(length % 8 == 0 for length in settings["lengths"])
    assert_same_classes(predict(delivery, raw_inputs.of_split(dataset, "test")), predicted, ["0", "1"])


@pytest.mark.long
def test_weights_give_the_same_classes_in_pytorch_without_this_package(tmp_path, classifier, dataset):
    delivery, predicted = deliver(tmp_path, classifier / "model", dataset, device=PYTORCH)
    answers = predict(delivery, raw_inputs.of_split(dataset, "test"), missing=("encoder_compression", "pandas", "datasets"))
    assert_same_classes(answers, predicted, ["0", "1"])
    assert (delivery / "torch_model.py").exists()


def test_a_class_that_the_gate_asks_for_is_flagged_over_the_threshold_of_validation(tmp_path, classifier, dataset):
    delivery, predicted = deliver(tmp_path, classifier / "onnx", dataset, recall={"label": "1", "false_positive_rate": 0.3})
    threshold = json.loads((delivery.parent / "measurement.json").read_text(encoding="utf-8"))["recall_threshold"]["log_odds"]
    odds = np.diff(np.stack(predicted["logits"]), axis=1)[:, 0]
    flagged = [answer["flagged"] for answer in predict(delivery, raw_inputs.of_split(dataset, "test"))]
    assert flagged == (odds > threshold).tolist()
    assert 0 < sum(flagged) < len(flagged)


def test_the_threshold_that_validation_chose_decides_between_two_classes(tmp_path, classifier, dataset):
    copy = shutil.copytree(dataset, tmp_path / "dataset")
    description = json.loads((copy / "dataset.json").read_text(encoding="utf-8"))
    (copy / "dataset.json").write_text(json.dumps(description | {"tuned": True}), encoding="utf-8")
    delivery, predicted = deliver(tmp_path, classifier / "onnx", copy)
    path = delivery / "settings.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    labels = [answer["label"] for answer in predict(delivery, raw_inputs.of_split(copy, "test"))]
    assert labels == predicted["prediction"].astype(str).tolist()
    path.write_text(json.dumps(settings | {"class_threshold": 1e6}), encoding="utf-8")
    assert {answer["label"] for answer in predict(delivery, raw_inputs.of_split(copy, "test"))} == {"0"}


def test_two_texts_become_the_numbers_of_a_regression(tmp_path, encoder):
    texts = pd.read_csv(TINY_CSV)["text"].tolist()
    table = pd.DataFrame({"first": texts, "second": texts[::-1], "label": np.arange(len(texts)) % 3 / 2})
    table.to_csv(tmp_path / "pairs.csv", index=False)
    pair = {"columns": {"text": "first", "text_pair": "second", "label": "label"}, "max_length": 16}  # cuts most pairs
    source = FILES | pair | {"files": {"train": str(tmp_path / "pairs.csv")}}
    prepare_dataset(options=source, task="regression", encoder=encoder, output=tmp_path / "dataset")
    random_model(tmp_path, encoder, head={"num_labels": 1, "problem_type": "regression"})
    delivery, predicted = deliver(tmp_path, tmp_path / "onnx", tmp_path / "dataset", metric="pearson")
    answers = predict(delivery, raw_inputs.of_split(tmp_path / "dataset", "test"))
    np.testing.assert_allclose([answer["number"] for answer in answers], predicted["prediction"], rtol=1e-4)
    assert predicted["prediction"].nunique() > 5
    assert json.loads((delivery / "settings.json").read_text(encoding="utf-8"))["token_types"]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_answers_to_questions_are_the_spans_of_the_measurement(tmp_path, form):
    encoder = make_encoder(tmp_path / "encoder")
    prepare_dataset(options=FILES | SQUAD, task="question-answering", encoder=encoder, output=tmp_path / "dataset")
    random_model(tmp_path, encoder, auto_class="AutoModelForQuestionAnswering", head={})
    artifact, device = (converted(tmp_path), OPENVINO) if form == "openvino" else (tmp_path / "onnx", PYTORCH | {"runtime": "onnxruntime"})
    delivery, predicted = deliver(tmp_path / "measured", artifact, tmp_path / "dataset", device=device, metric="f1")
    asked = raw_inputs.of_split(tmp_path / "dataset", "test")
    answers = predict(delivery, asked)
    assert [answer["answer"] for answer in answers] == predicted["prediction"].tolist()
    assert predicted["prediction"].nunique() >= len(predicted) / 3
    windows = parquet.read_table(tmp_path / "dataset/test.parquet", columns=["id"])["id"].to_pylist()
    assert len(windows) > 1.5 * len(asked)
    for question, answer in zip(asked, answers, strict=True):
        assert answer["start"] is None or question["context"][answer["start"] : answer["end"]] == answer["answer"]


def test_the_command_prints_a_line_of_json_for_each_text(delivered):
    delivery, _ = delivered
    done = run(delivery, "-I", "predict.py", "a fine film", "a dull film")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == predict(delivery, ["a fine film", " a dull film "])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "settings.json").unlink(), "settings.json: it is no settings of a delivery"),
        (lambda folder: (folder / "settings.json").write_text("[]", encoding="utf-8"), "settings.json: it is no settings of a delivery"),
        (lambda folder: (folder / "onnx/model.onnx").unlink(), "onnx/model.onnx: 0 bytes in place of "),
        (lambda folder: (folder / "onnx/tokenizer.json").write_text("{", encoding="utf-8"), "onnx/tokenizer.json: 1 bytes in place of "),
    ],
    ids=["no settings", "other settings", "no graph", "half a tokenizer"],
)
def test_a_broken_delivery_is_one_line(delivered, tmp_path, change, message):
    copy = shutil.copytree(delivered[0], tmp_path / "delivery")
    change(copy)
    done = run(copy, "predict.py", "a fine film")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and "copy the whole folder anew" in done.stderr


def test_a_missing_runtime_is_one_line(delivered):
    code = "import sys; sys.modules['onnxruntime'] = None; sys.argv = ['predict.py', 'a text']; import predict; sys.exit(predict.main())"
    done = run(delivered[0], "-c", code)
    expected = "Error: there is no module onnxruntime; install what it needs: pip install --requirement requirements.txt\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_an_input_of_another_kind_is_refused(delivered):
    code = "from predict import Predictor\nPredictor('.')([['a', 'b']])"
    done = run(delivered[0], "-c", code)
    assert done.stderr.endswith("ValueError: an input is a text, and this is ['a', 'b']\n")


def test_the_requirements_are_all_that_it_imports_in_the_versions_that_are_here(delivered):
    lines = (delivered[0] / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {"onnxruntime", "tokenizers", "numpy", "fastapi", "uvicorn", "pydantic", "starlette"} <= pins.keys()
    assert not {"torch", "transformers", "pandas"} & pins.keys()
    lock = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if "==" in line)
    assert {name: pins[name] for name in pins} == {name: lock[name] for name in pins}


def test_the_model_card_beside_the_graph_is_left_out_of_what_is_checked(delivered):
    settings = json.loads((delivered[0] / "settings.json").read_text(encoding="utf-8"))
    assert {"onnx/model.onnx", "onnx/tokenizer.json", "onnx/config.json"} <= settings["files"].keys()
    assert not [name for name in settings["files"] if name.endswith(("README.md", "provenance.json"))]
