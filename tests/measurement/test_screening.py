"""Screening reads validation alone: its predictions are those that the graph gives to single examples, and its rows read like any."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from encoder_compression.data import tasks
from encoder_compression.export import contents
from encoder_compression.measurement.screening import screen
from encoder_compression.reporting.rows import Row
from encoder_compression.run import provenance
from encoder_compression.runtimes.workload import Workload
from measuring_options import ONNX, OPTIONS, write_forms


@pytest.fixture(scope="module")
def graph(tmp_path_factory, encoder, dataset, tiny) -> Path:
    """A random classifier in dynamic INT8, whose answers would depend on the batch."""
    return write_forms(tmp_path_factory.mktemp("forms"), encoder, dataset, tiny.options) / "int8"


@pytest.fixture(scope="module")
def screened(tmp_path_factory, graph, dataset) -> Path:
    folder = tmp_path_factory.mktemp("screening")
    output = {"measurement": folder / "measurement.json", "predictions": folder / "predictions.parquet"}
    facts = screen(artifact=graph, device=ONNX, dataset=dataset, options=OPTIONS | {"metric": "accuracy"}, name="test", **output)
    assert facts["metric"] == "accuracy"
    provenance.write(folder, options={}, inputs={}, seconds=1.0, facts=facts)
    return folder


def test_its_predictions_are_those_of_each_validation_example_alone(screened, graph, dataset):
    session = onnxruntime.InferenceSession(graph / "model.onnx")
    names = {node.name for node in session.get_inputs()}
    workload = Workload(dataset, "validation")
    singles = [workload.single(i) for i in range(len(workload.lengths))]
    fed = [single | {name: np.zeros_like(single["input_ids"]) for name in names - set(single)} for single in singles]
    alone = [session.run(None, each)[0][0] for each in fed]
    table = pd.read_parquet(screened / "predictions.parquet")
    assert table["label"].tolist() == pd.read_parquet(dataset / "validation.parquet")["label"].tolist()
    np.testing.assert_allclose(np.stack(table["logits"]), np.stack(alone), atol=1e-5)


def test_it_starts_once_and_times_single_calls(screened):
    (launch,) = json.loads((screened / "measurement.json").read_text(encoding="utf-8"))["launches"]
    assert len(launch["rounds"]) == OPTIONS["rounds"]
    assert sum(len(each["latencies_ms"]) for each in launch["rounds"]) >= OPTIONS["calls"]


def test_its_folder_is_read_like_that_of_a_measured_row(screened, graph, dataset):
    row = Row(screened, tasks.of_dataset(dataset))
    assert row.score("accuracy") == np.mean(row.labels == row.predictions)
    assert row.measurement["size_mb"] == contents.describe(graph)["size_mb"]
    assert 0 < np.median(row.latencies_ms) < 1000
    assert row.measurement["memory_run_mb"] > 0
