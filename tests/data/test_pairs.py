"""Two sentences: an encoder that tells them apart is told which is which, on every path, and the others are not."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import TINY_CSV, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.runtimes.workload import Workload
from encoder_compression.teaching import soft_targets
from encoder_compression.techniques import finetune
from encoder_compression.training.train import Goal
from short_training import TRAINING


def prepare(folder, encoder, table: pd.DataFrame, **columns) -> dict:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "pairs.csv", index=False)
    options = {
        "files": {"train": str(folder / "pairs.csv")},
        "format": {"separator": ",", "header": True, "quoting": True},
        "columns": {"text": "premise", "text_pair": "hypothesis", "label": "label"} | columns,
        "split": {"validation": 0.2, "test": 0.3},
        "max_length": 32,
    }
    return prepare_dataset(options=options, task="classification", encoder=encoder, output=folder / "dataset")


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    texts = pd.read_csv(TINY_CSV)["text"].tolist()
    return pd.DataFrame({"premise": texts, "hypothesis": texts[::-1], "label": [index % 2 for index in range(len(texts))]})


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def study(request, tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "base", request.param)
    prepare(folder, encoder, pairs)
    goal = Goal(dataset=folder / "dataset", metric="accuracy", seed=1, name="pairs")
    finetune.finetune(encoder=encoder, goal=goal, options={"training": TRAINING}, model=folder / "model", curve=folder / "training.csv")
    return folder


def tells_apart(folder) -> bool:
    return json.loads((folder / "base/config.json").read_text(encoding="utf-8")).get("type_vocab_size", 1) > 1


def test_only_an_encoder_that_tells_two_sentences_apart_is_told(study):
    columns = set(pd.read_parquet(study / "dataset/test.parquet"))
    assert ("token_type_ids" in columns) == tells_apart(study)
    assert "text_pair" in columns


def test_every_path_gives_the_logits_that_the_tokenizer_and_the_model_give(study, tmp_path):
    folder = study
    onnx_graph.export(model=folder / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    openvino_model.convert(model=folder / "model", graph=tmp_path / "onnx", options={"tolerance": 1e-4}, output=tmp_path / "openvino")
    expected = reference_logits(folder, told_apart=tells_apart(folder))
    artifacts = {"pytorch": folder / "model", "onnxruntime": tmp_path / "onnx", "openvino": tmp_path / "openvino"}
    for runtime, artifact in artifacts.items():
        device = {"runtime": runtime, "hardware": "cpu", "threads": 1, "precision": "float32"}
        with RemoteWorker(artifact=artifact, dataset=folder / "dataset", split="test", device=device) as worker:
            np.testing.assert_allclose(worker.ask("predict", batch_size=4, split="test")["logits"], expected, atol=1e-4)


def reference_logits(folder, *, told_apart: bool) -> np.ndarray:
    model, tokenizer = pretrained.load_model(folder / "model").eval(), encoder_facts.load_tokenizer(folder / "model")
    test = pd.read_parquet(folder / "dataset/test.parquet")
    with torch.inference_mode():
        return np.concatenate(
            [
                model(**tokenizer(a, b, truncation=True, max_length=32, return_token_type_ids=told_apart, return_tensors="pt")).logits
                for a, b in zip(test["text"], test["text_pair"], strict=True)
            ]
        )


def test_a_teachers_soft_targets_see_both_sentences(study, tmp_path):
    folder = study
    facts = soft_targets.predict_soft_targets(teacher=folder / "model", dataset=folder / "dataset", output=tmp_path, name="pairs")
    assert facts["inputs"] == len(pd.read_parquet(tmp_path / "logits.parquet"))


def test_pairs_are_padded_together(study):
    work = Workload(study / "dataset")
    for _, batch in work.batches(4, np.arange(len(work.lengths)), padded=False):
        assert len({values.shape for values in batch.values()}) == 1


def test_a_pair_is_repeated_only_if_both_sentences_are(tmp_path, encoder, pairs):
    other = pairs.assign(hypothesis="something else")
    prepare(tmp_path, encoder, pd.concat([pairs, other, pairs.head(3)]))
    description = json.loads((tmp_path / "dataset/dataset.json").read_text(encoding="utf-8"))
    assert sum(description["rows"].values()) == 2 * len(pairs)
    assert description["dropped"]["train"]["repeated text"] == 3


def test_a_missing_second_column_is_named(tmp_path, encoder, pairs):
    with pytest.raises(UserError, match="no column 'hypotesis' for the text_pair; did you mean 'hypothesis'"):
        prepare(tmp_path, encoder, pairs, text_pair="hypotesis")
