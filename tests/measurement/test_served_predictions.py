"""A score is that of single examples, as latency is timed; where batches change predictions, their score stands beside it."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

import corpora
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.measurement.measure import measure
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.runtimes.workload import Workload
from measuring_options import ONNX, OPTIONS, PYTORCH, write_forms
from saved_rows import TORCH, SavedStudy


@pytest.fixture(scope="module")
def graphs(tmp_path_factory, encoder, dataset, tiny) -> Path:
    """A folder with a random classifier as model/, as graph onnx/ and as dynamic INT8 int8/."""
    return write_forms(tmp_path_factory.mktemp("graphs"), encoder, dataset, tiny.options)


def served(folder: Path, artifact: Path, device: dict, dataset: Path, **more) -> tuple[dict, pd.DataFrame]:
    options = OPTIONS | {"launches": 1, "rounds": 1, "calls": 1, "grid": {"batch_sizes": [], "lengths": [], "calls": 1}} | more
    output = {"measurement": folder / "measurement.json", "predictions": folder / "predictions.parquet"}
    row = {"artifact": artifact, "device": device, "partner": None, "dataset": dataset, "timed_as": None}
    measure(**row, options=options, name="test", **output)
    return json.loads(output["measurement"].read_text(encoding="utf-8")), pd.read_parquet(output["predictions"])


def alone(graph: Path, dataset: Path, split: str = "test") -> np.ndarray:
    """Return the logits of every example of a split in a call of its own, by ONNX Runtime itself."""
    session = onnxruntime.InferenceSession(graph / "model.onnx")
    names = [node.name for node in session.get_inputs()]
    workload = Workload(dataset, split)
    batches = [workload.single(index) for index in range(len(workload))]
    inputs = [{name: batch.get(name, np.zeros_like(batch["input_ids"])) for name in names} for batch in batches]
    return np.concatenate([session.run(None, each)[0] for each in inputs])


def test_the_logits_of_dynamic_int8_are_those_of_single_calls(graphs, dataset, tmp_path):
    measured, predicted = served(tmp_path, graphs / "int8", ONNX, dataset)
    np.testing.assert_array_equal(np.stack(predicted["logits"]), alone(graphs / "int8", dataset))
    assert measured["batches_move_logits_by"] > 1e-3
    assert "batched_prediction" in predicted


def test_the_threshold_of_a_recall_is_chosen_on_single_calls_of_validation(graphs, dataset, tmp_path):
    """Dynamic INT8 answers otherwise in batches, so the threshold is one of the artifact as it is served."""
    asked = {"label": "1", "false_positive_rate": 0.2}
    measured, predicted = served(tmp_path, graphs / "int8", ONNX, dataset, recall=asked)
    odds = np.diff(alone(graphs / "int8", dataset, "validation").astype(float), axis=1)[:, 0]
    positive = pd.read_parquet(dataset / "validation.parquet")["label"].to_numpy() == 1
    false_positives, true_positives, _ = roc_curve(positive, odds, drop_intermediate=False)
    threshold = measured["recall_threshold"].pop("log_odds")
    assert measured["recall_threshold"] == asked
    assert threshold in odds[~positive]
    assert (odds[positive] > threshold).mean() == true_positives[false_positives <= 0.2].max()
    assert predicted["prediction"].tolist() == np.stack(predicted["logits"]).argmax(axis=1).tolist()  # which the clause leaves alone


def test_a_class_that_is_not_there_ends_the_measurement_with_one_line(graphs, dataset, tmp_path):
    with pytest.raises(UserError, match="gate.recall.label: the data set has no class 'good'; known: 0, 1"):
        served(tmp_path, graphs / "onnx", ONNX, dataset, recall={"label": "good", "false_positive_rate": 0.2})


@pytest.mark.parametrize(("form", "device"), [("onnx", ONNX), ("model", PYTORCH)])
def test_floating_point_is_made_in_batches_where_they_change_nothing(graphs, dataset, tmp_path, form, device):
    measured, predicted = served(tmp_path, graphs / form, device, dataset)
    assert 0 <= measured["batches_move_logits_by"] < 1e-4
    assert "batched_prediction" not in predicted
    np.testing.assert_allclose(np.stack(predicted["logits"]), alone(graphs / "onnx", dataset), atol=1e-5)


def test_logits_at_padding_are_no_difference_that_batches_make(tmp_path):
    """Of a corpus every token has logits, and those of padding are nobody's answer."""
    encoder, dataset = corpora.make_encoder(tmp_path / "encoder"), tmp_path / "dataset"
    corpora.prepare(encoder, dataset)
    model = pretrained.add_head(encoder, "AutoModelForMaskedLM", {})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "model")
    with RemoteWorker(artifact=tmp_path / "model", dataset=dataset, split="test", device=PYTORCH) as worker:
        assert worker.ask("batching", batch_size=4)["moved"] < 1e-4


def test_the_table_tells_the_score_in_batches_and_how_many_predictions_they_change(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    place = Path(study.study.folder("teacher+even1", 1, TORCH)) / "predictions.parquet"
    predicted = pd.read_parquet(place)
    batched = predicted["prediction"].to_numpy().copy()
    batched[:13] = 1 - batched[:13]  # 13 of the 20 mistakes get right
    predicted.assign(batched_prediction=batched).to_parquet(place)
    row = study.aggregate().loc["teacher+even1", TORCH]
    assert (row["score"], row["batched_score"], row["changed_by_batches"]) == pytest.approx((180 / 200, 193 / 200, 13))
    written = study.summarize()
    shown = written.aggregate.set_index(["variant", "device"]).loc["teacher+even1", TORCH]
    assert "batches_change" in shown["verdict_kinds"].split()
    assert all(figure in shown["verdict"] for figure in ("differ are 13", "96.5%", "batches of 4"))
    assert study.aggregate().loc["teacher", TORCH]["changed_by_batches"] == 0
