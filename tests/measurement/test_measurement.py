"""Each artifact is measured in a fresh process of its own, in turns with its partner, on real lengths."""

import json
import shutil

import numpy as np
import pandas as pd
import psutil
import pytest

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.measurement.measure import _require_proof, measure
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.runtimes.workload import Workload
from encoder_compression.techniques.quantize import quantize
from measuring_options import ONNX, OPTIONS, PYTORCH


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory, encoder, dataset, tiny):
    folder = tmp_path_factory.mktemp("artifacts")
    pretrained.save(
        pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2}),
        encoder_facts.load_tokenizer(encoder),
        folder / "model",
    )
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    return folder


def run(folder, artifacts, dataset, *, device, partner=None) -> tuple[dict, pd.DataFrame]:
    form = {"pytorch": "model", "onnxruntime": "onnx"}
    measure(
        artifact=artifacts / form[device["runtime"]],
        device=device,
        partner=(artifacts / form[partner["runtime"]], partner, dataset) if partner else None,
        dataset=dataset,
        options=OPTIONS,
        measurement=folder / "measurement.json",
        predictions=folder / "predictions.parquet",
        name="test",
    )
    return json.loads((folder / "measurement.json").read_text(encoding="utf-8")), pd.read_parquet(folder / "predictions.parquet")


def rounds_of(measured: dict) -> list[dict]:
    return [one for launch in measured["launches"] for one in launch["rounds"]]


def test_measuring_a_graph_imports_neither_torch_nor_transformers(artifacts, dataset, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX)
    assert measured["imported"] == ["onnxruntime"]
    assert all(len(one["end_to_end_ms"]) == len(one["latencies_ms"]) for one in rounds_of(measured)), "raw texts are read without them"


def test_raw_samples_of_both_sides_are_kept_for_every_start(artifacts, dataset, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX, partner=PYTORCH)
    assert len(measured["launches"]) == 2
    for launch in measured["launches"]:
        assert len(launch["rounds"]) == 4
        for one in launch["rounds"]:
            assert len(one["latencies_ms"]) == len(one["partner_latencies_ms"]) == 5
            assert min(one["latencies_ms"]) > 0
            computed = np.array([one["processor_ms"], one["partner_processor_ms"]])
            for side in ("", "partner_"):
                assert (np.array(one[f"{side}end_to_end_ms"]) > one[f"{side}latencies_ms"]).all()
                assert (np.array(one[f"{side}end_to_end_processor_ms"]) >= one[f"{side}processor_ms"]).all()
            assert (computed > 0).all() and (computed < 1.05 * np.array([one["latencies_ms"], one["partner_latencies_ms"]]) + 0.05).all()


def test_every_start_is_a_fresh_process(artifacts, dataset, monkeypatch, tmp_path):
    started = []
    enter = RemoteWorker.__enter__
    monkeypatch.setattr(RemoteWorker, "__enter__", lambda self: started.append(enter(self)) or started[-1])
    run(tmp_path, artifacts, dataset, device=ONNX, partner=ONNX)
    assert len({worker.process.pid for worker in started}) == 4


def test_a_baseline_has_no_partner(artifacts, dataset, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=PYTORCH)
    assert (
        {one["partner_latencies_ms"] for one in rounds_of(measured)}
        == {one["partner_processor_ms"] for one in rounds_of(measured)}
        == {None}
    )
    assert measured["ran_on"] == "cpu"
    assert measured["threads"] == 1


def test_threads_are_pinned_and_recorded(artifacts, dataset, tmp_path):
    with RemoteWorker(artifact=artifacts / "onnx", dataset=dataset, split="test", device=ONNX) as worker:
        cores = worker.ask("facts")["cores"]
        allowed = {tuple(psutil.Process(worker.process.pid).cpu_affinity())}
    assert len(cores) == 1
    assert allowed == {tuple(cores)}


def test_the_grid_holds_every_shape_that_the_data_set_allows(artifacts, dataset, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX, partner=ONNX)
    assert [(cell["batch_size"], cell["length"]) for cell in measured["grid"]] == [(1, 8), (1, 16), (3, 8), (3, 16)]
    assert {len(cell["latencies_ms"]) for cell in measured["grid"]} == {2}
    block = Workload(dataset).block(3, 16)
    assert block["input_ids"].shape == block["attention_mask"].shape == (3, 16)
    assert block["attention_mask"].all()


def test_throughput_is_measured_at_each_batch_size(artifacts, dataset, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX)
    assert [(one["batch_size"], one["examples"]) for one in measured["throughput"]] == [(2, 8), (4, 8)]
    assert min(one["seconds"] for one in measured["throughput"]) > 0


def test_the_runtime_itself_says_what_ran_where(artifacts, dataset, tiny, tmp_path):
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX)
    assert set(measured["proof"]["nodes"]) == {"CPUExecutionProvider"}
    assert set(measured["proof"]["matmuls"]) == {"float32"}
    quantize(parent=artifacts / "onnx", dataset=dataset, options=tiny.options["quantize"]["int8"], output=tmp_path / "int8", name="test")
    with RemoteWorker(artifact=tmp_path / "int8", dataset=dataset, split="test", device=ONNX) as worker:
        assert worker.ask("proof")["matmuls"]["int8"] > 0
    with RemoteWorker(artifact=artifacts / "model", dataset=dataset, split="test", device=PYTORCH) as worker:
        assert worker.ask("proof")["nodes"].keys() == {"cpu"}


@pytest.mark.parametrize(
    ("proof", "dtypes", "message"),
    [
        ({"nodes": {"CUDAExecutionProvider": 90, "CPUExecutionProvider": 3}, "matmuls": {"float32": 9}}, {"float32": 9}, "elsewhere"),
        ({"nodes": {"CPUExecutionProvider": 90}, "matmuls": {"float32": 9}}, {"int8": 9, "float32": 1}, "no matrix product ran with them"),
        ({"nodes": {"CPU": 90}, "matmuls": {"bfloat16": 9}}, {"float32": 9}, "asks for float32, but products ran in bfloat16"),
    ],
)
def test_a_silent_fallback_is_an_error(proof, dtypes, message):
    hardware = "cuda" if "CUDAExecutionProvider" in proof["nodes"] else "cpu"
    with pytest.raises(UserError, match=message):
        _require_proof({"proof": proof, "dtypes": dtypes}, {"hardware": hardware, "precision": "float32"})


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ({"precision": "int8"}, "asks for int8, but products ran in float32"),
        ({"precision": "float32", "compile": True}, "asks for compiled code, but none ran"),
    ],
)
def test_pytorch_that_fell_back_is_an_error(device, message):
    proof = {"nodes": {"cpu": 90}, "matmuls": {"float32": 9}, "compiled": 0}
    with pytest.raises(UserError, match=message):
        _require_proof({"proof": proof, "dtypes": {"float32": 9}}, {"hardware": "cpu"} | device)


def test_predictions_cover_the_test_split_and_agree_between_runtimes(artifacts, dataset, tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    _, torch_rows = run(tmp_path / "a", artifacts, dataset, device=PYTORCH)
    _, onnx_rows = run(tmp_path / "b", artifacts, dataset, device=ONNX)
    test = pd.read_parquet(dataset / "test.parquet")
    assert torch_rows["id"].tolist() == test["id"].tolist()
    assert torch_rows["label"].tolist() == test["label"].tolist()
    np.testing.assert_allclose(np.stack(torch_rows["logits"]), np.stack(onnx_rows["logits"]), atol=1e-4)
    assert torch_rows["prediction"].tolist() == np.stack(torch_rows["logits"]).argmax(1).tolist()


def test_warmup_calls_are_not_among_the_samples(artifacts, dataset, monkeypatch, tmp_path):
    asked = []
    ask = RemoteWorker.ask

    def spy(self, command, **arguments):
        asked.append((command, arguments))
        return ask(self, command, **arguments)

    monkeypatch.setattr(RemoteWorker, "ask", spy)
    measured, _ = run(tmp_path, artifacts, dataset, device=ONNX)
    calls = [arguments for command, arguments in asked if command == "latency"]
    assert calls[0] == {"first": 0, "calls": 3}
    timed = [call["calls"] for call in calls if call["calls"] != OPTIONS["warmup_calls"]]
    assert sum(timed) == sum(len(one["latencies_ms"]) for one in rounds_of(measured))


def test_memory_is_the_variants_own_whoever_is_its_partner(artifacts, dataset, tmp_path):
    """A worker that stayed alive for another model would hold that model too."""
    alone, _ = run(tmp_path, artifacts, dataset, device=ONNX)
    paired, _ = run(tmp_path, artifacts, dataset, device=ONNX, partner=PYTORCH)
    assert paired["memory_run_mb"] == pytest.approx(alone["memory_run_mb"], rel=0.5)
    assert paired["memory_load_mb"] == pytest.approx(alone["memory_load_mb"], rel=0.5)
    assert paired["memory_of_runtime_mb"] < 200  # an imported torch alone holds more


def test_single_calls_have_the_real_length_and_no_padding(dataset):
    work = Workload(dataset)
    for index, length in enumerate(work.lengths):
        batch = work.single(index)
        assert batch["input_ids"].shape == batch["attention_mask"].shape == (1, length)
        assert batch["attention_mask"].all()


def test_batches_are_sorted_by_length_and_cover_every_sentence_once(dataset):
    work = Workload(dataset)
    batches = list(work.batches(4, np.arange(len(work.lengths)), padded=False))
    assert sorted(index for chosen, _ in batches for index in chosen) == list(range(len(work)))
    longest = [batch["input_ids"].shape[1] for _, batch in batches]
    assert longest == sorted(longest)
    for chosen, batch in batches:
        for row, index in enumerate(chosen):
            assert batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist() == work.inputs["input_ids"][int(index)].as_py()


@pytest.mark.parametrize("device", [PYTORCH, ONNX])
def test_cuda_that_is_not_there_is_refused_with_a_reason(artifacts, dataset, tmp_path, device):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UserError, match="take the device out of 'devices'"):
        run(tmp_path, artifacts, dataset, device=device | {"hardware": "cuda"})


def test_a_worker_that_dies_is_an_error_that_names_the_artifact(artifacts, dataset, tmp_path):
    (tmp_path / "nowhere").mkdir()
    shutil.copy(artifacts / "onnx" / "tokenizer.json", tmp_path / "nowhere")
    with (
        pytest.raises(RuntimeError, match="nowhere.*died with code 1"),
        RemoteWorker(artifact=tmp_path / "nowhere", dataset=dataset, split="test", device=ONNX) as worker,
    ):
        worker.wait_until_loaded()
