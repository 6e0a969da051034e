"""A row takes over the times of another one only where graph, shapes and number formats are proved to be the same."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from encoder_compression.data import tasks
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph, openvino_model, shapes
from encoder_compression.measurement.measure import measure
from encoder_compression.reporting.rows import Row
from encoder_compression.run import environment, provenance
from encoder_compression.runtimes.workload import Workload
from encoder_compression.techniques.quantize import quantize
from measuring_options import ONNX, OPTIONS, PYTORCH

FORMS = {"pytorch": "model", "onnxruntime": "onnx"}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory, encoder, dataset, tiny):
    """A model, the same with most of its weights zero, and one with a narrower layer, each as weights and as graphs."""
    folder = tmp_path_factory.mktemp("mine")
    for variant, change in {"teacher": lambda model: None, "teacher+pruned": _prune, "teacher+narrow": _narrow}.items():
        model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
        change(model)
        part = folder / variant / "seed1"
        pretrained.save(model, encoder_facts.load_tokenizer(encoder), part / "model")
        onnx_graph.export(model=part / "model", options=tiny.options["export"], output=part / "onnx")
        openvino_model.convert(model=part / "model", graph=part / "onnx", options=tiny.options["export"], output=part / "openvino")
    return folder


def _prune(model: torch.nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= torch.rand_like(parameter) > 0.9


def _narrow(model: torch.nn.Module) -> None:
    for layer in model.base_model.encoder.layer:
        layer.intermediate.dense = torch.nn.Linear(layer.intermediate.dense.in_features, 8)
        layer.output.dense = torch.nn.Linear(8, layer.output.dense.out_features)
    model.config.intermediate_size = 8


def row(artifacts, dataset, variant: str, device: dict, *, partner=None, timed_as=None) -> dict:
    """Measure a variant where its results belong, and leave the provenance that its job would."""
    folder = artifacts / variant / "seed1" / device["runtime"]
    folder.mkdir(exist_ok=True)
    form = FORMS[device["runtime"]]
    measure(
        artifact=artifacts / variant / "seed1" / form,
        device=device,
        partner=partner and (artifacts / "teacher" / "seed1" / FORMS[partner["runtime"]], partner, dataset),
        dataset=dataset,
        options=OPTIONS,
        timed_as=timed_as and artifacts / timed_as / "seed1" / device["runtime"] / "measurement.json",
        measurement=folder / "measurement.json",
        predictions=folder / "predictions.parquet",
        name="test",
    )
    provenance.write(folder, options={}, inputs={}, seconds=1.0, facts={})
    return json.loads((folder / "measurement.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", ["model", "onnx", "openvino"])
def test_the_digest_sees_shapes_and_no_values_of_weights(artifacts, form):
    plain, pruned, narrow = (shapes.digest(artifacts / name / "seed1" / form) for name in ("teacher", "teacher+pruned", "teacher+narrow"))
    assert plain == pruned != narrow


def test_the_digest_sees_number_formats(artifacts, dataset, tiny, tmp_path):
    options = tiny.options["quantize"]["int8"]
    quantize(parent=artifacts / "teacher/seed1/onnx", dataset=dataset, options=options, output=tmp_path / "int8", name="test")
    assert shapes.digest(tmp_path / "int8") != shapes.digest(artifacts / "teacher/seed1/onnx")


@pytest.mark.long
def test_a_pruned_row_is_timed_as_its_twin_and_predicts_for_itself(artifacts, dataset):
    whole = row(artifacts, dataset, "teacher", PYTORCH)
    pruned = row(artifacts, dataset, "teacher+pruned", PYTORCH, partner=PYTORCH, timed_as="teacher")
    assert pruned["timed_as"] == "teacher"
    assert whole["timed_as"] is None
    for name in ("launches", "fresh", "throughput", "memory_run_mb"):
        assert pruned[name] == whole[name]
    assert pruned["zeros"] > whole["zeros"]
    table = pd.read_parquet(artifacts / "teacher+pruned/seed1/pytorch/predictions.parquet")
    model = pretrained.load_model(artifacts / "teacher+pruned/seed1/model").eval()
    batch = Workload(dataset).single(0)
    with torch.inference_mode():
        logits = model(**{name: torch.from_numpy(values) for name, values in batch.items()}).logits[0]
    np.testing.assert_allclose(table["logits"][0], logits, atol=1e-5)


def test_a_row_that_is_timed_as_its_partner_is_exactly_as_fast(artifacts, dataset):
    """The graph of the whole model was timed in turns with PyTorch, which is not what the pruned graph is compared with."""
    whole = row(artifacts, dataset, "teacher", ONNX, partner=PYTORCH)
    row(artifacts, dataset, "teacher+pruned", ONNX, partner=ONNX, timed_as="teacher")
    saved = Row(artifacts / "teacher+pruned/seed1/onnxruntime", tasks.of_dataset(dataset))
    assert whole["fresh"]["partner_latencies_ms"]
    assert not saved.has_partner
    assert saved.log_ratios.tolist() == [0, 0]
    assert saved.fresh_log_ratio == 0


def test_a_row_with_other_shapes_is_timed_itself(artifacts, dataset):
    row(artifacts, dataset, "teacher", ONNX)
    narrow = row(artifacts, dataset, "teacher+narrow", ONNX, partner=ONNX, timed_as="teacher")
    assert narrow["timed_as"] is None
    assert narrow["launches"][0]["rounds"][0]["partner_latencies_ms"]


def test_times_of_another_machine_are_not_taken_over(artifacts, dataset, monkeypatch):
    row(artifacts, dataset, "teacher", ONNX)
    elsewhere = environment.hardware() | {"processor": "another one"}
    monkeypatch.setattr(environment, "hardware", lambda: elsewhere)
    assert row(artifacts, dataset, "teacher+pruned", ONNX, partner=ONNX, timed_as="teacher")["timed_as"] is None
