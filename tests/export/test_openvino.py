"""OpenVINO's form equals the model, its INT8 keeps zeros, and its runtime computes in the precision that the device names."""

import math
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from conftest import load_tiny, make_encoder
from encoder_compression.config import consistency
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import contents, onnx_graph, openvino_model, openvino_weights
from encoder_compression.measurement.measure import _require_proof
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.runtimes import openvino_runtime, pytorch_runtime
from encoder_compression.runtimes.openvino_runtime import MULTIPLE, Runtime
from encoder_compression.runtimes.workload import Workload
from job_frames import printed_in_a_job

DEVICE = {"runtime": "openvino", "hardware": "cpu", "threads": 1, "precision": "float32"}
BFLOAT16 = DEVICE | {"precision": "bfloat16"}
CALIBRATION = {"calibration": 16}


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def artifacts(request, tmp_path_factory, tiny, dataset):
    """A model with zeros, as weights, as graphs, and in INT8."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "encoder", request.param)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    for linear in pretrained.encoder_linears(model).values():
        linear.weight.data[torch.rand_like(linear.weight) < 0.5] = 0
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    convert(folder, tiny.options["export"], folder / "openvino")
    openvino_model.quantize(parent=folder / "openvino", dataset=dataset, options=CALIBRATION, output=folder / "int8")
    return folder


def convert(folder, options, output) -> dict:
    return openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=options, output=output)


def matrices(folder) -> dict[str, np.ndarray]:
    """Return the matrices of a graph by the operator that reads them."""
    return {name: values for name, values in openvino_weights.arrays(folder) if values.ndim == 2}


def test_the_form_has_the_models_parameters_and_zeros_and_full_precision(artifacts):
    model, form = (contents.describe(artifacts / name) for name in ("model", "openvino"))
    assert form["parameters"] == pytest.approx(model["parameters"], rel=0.02)
    assert (form["matrices"], form["matrix_zeros"]) == (model["matrices"], model["matrix_zeros"])
    assert form["dtypes"]["float32"] == pytest.approx(model["parameters"], rel=0.02)
    assert "float16" not in form["dtypes"]


def test_a_form_that_disagrees_with_pytorch_is_an_error(artifacts, tiny, tmp_path):
    with pytest.raises(RuntimeError, match="logits of graph and PyTorch differ by .* over the tolerance"):
        convert(artifacts, tiny.options["export"] | {"tolerance": 1e-12}, tmp_path)


def test_padding_a_single_input_changes_nothing(artifacts, dataset):
    work = Workload(dataset)
    reference = pytorch_runtime.Runtime(artifacts / "model", device=DEVICE)
    plain, prepared = (Runtime(artifacts / "openvino", device=DEVICE) for _ in range(2))
    prepared.prepare(work.lengths, set(prepared.names))
    assert prepared.facts()["graphs_of_fixed_length"] == sorted({math.ceil(length / MULTIPLE) * MULTIPLE for length in work.lengths})
    padded = np.flatnonzero(work.lengths % MULTIPLE)
    assert len(padded) > 4
    for index in padded:
        batch = work.single(index)
        for runtime in (plain, prepared):
            np.testing.assert_allclose(runtime(batch), reference(batch), atol=1e-5)


def test_no_input_is_padded_beyond_the_positions_of_the_model(artifacts):
    runtime = Runtime(artifacts / "openvino", device=DEVICE)
    runtime.longest = 50
    assert runtime._padded(np.array([3, 8, 9, 48, 49, 50])).tolist() == [8, 8, 16, 48, 50, 50]


def test_quantized_weights_are_a_quarter_of_the_size_and_keep_every_zero(artifacts):
    float32, int8 = (contents.describe(artifacts / name) for name in ("openvino", "int8"))
    assert int8["dtypes"]["int8"] == pytest.approx(sum(values.size for values in matrices(artifacts / "openvino").values()), rel=0.02)
    assert int8["parameters"] == float32["parameters"]
    assert int8["matrix_zeros"] >= float32["matrix_zeros"] > 0
    after = [values == 0 for values in matrices(artifacts / "int8").values()]
    for values in matrices(artifacts / "openvino").values():  # the two name their constants differently
        alike = [zeros for zeros in after if zeros.shape == values.shape]
        assert any(zeros[values == 0].all() for zeros in alike)


def test_embeddings_stay_in_8_bits_while_the_graph_runs(artifacts):
    compiled = openvino.Core().compile_model(artifacts / "int8" / "openvino_model.xml", "CPU")
    kinds = [{key: value.astype(str) for key, value in node.get_rt_info().items()} for node in compiled.get_runtime_model().get_ops()]
    assert "i8" in {kind["runtimePrecision"] for kind in kinds if kind["layerType"] == "Gather"}


def test_int8_answers_nearly_what_the_model_answers_whatever_the_padding(artifacts, dataset):
    work = Workload(dataset)
    model, int8 = pytorch_runtime.Runtime(artifacts / "model", device=DEVICE), Runtime(artifacts / "int8", device=DEVICE)
    for chosen, batch in work.batches(4, np.arange(len(work.lengths)), padded=False):
        np.testing.assert_allclose(int8(batch), model(batch), atol=0.1 * np.abs(model(batch)).max())
        alone = np.concatenate([int8(work._pad(np.array([one]), 0)) for one in chosen])
        np.testing.assert_allclose(int8(batch), alone, atol=1e-4)


def test_the_row_is_measured_without_torch_on_its_own_core_and_proves_its_formats(artifacts, dataset):
    with RemoteWorker(artifact=artifacts / "int8", dataset=dataset, split="test", device=DEVICE) as worker:
        facts, proof = worker.ask("facts"), worker.ask("proof")
    assert facts["imported"] == ["openvino"]
    assert (facts["threads"], facts["ran_on"], len(facts["cores"])) == (1, "CPU", 1)
    assert proof["matmuls"]["int8"] > 0
    assert list(proof["nodes"]) == ["CPU"]
    float32 = Runtime(artifacts / "openvino", device=DEVICE).proof(Workload(dataset).single(0))
    assert set(float32["matmuls"]) == {"float32"}


def test_bfloat16_is_proved_where_the_cpu_has_it(artifacts, dataset):
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bfloat16")
    batch = Workload(dataset).single(0)
    for runtime, form in ((openvino_runtime, "openvino"), (pytorch_runtime, "model")):
        proof = runtime.Runtime(artifacts / form, device=BFLOAT16).proof(batch)
        assert set(proof["matmuls"]) == {"bfloat16"}
        described = contents.describe(artifacts / form)
        _require_proof(described | {"proof": proof}, BFLOAT16)
        with pytest.raises(UserError, match="asks for float32, but products ran in bfloat16"):
            _require_proof(described | {"proof": proof}, DEVICE)


def test_bfloat16_without_instructions_for_it_is_refused(artifacts, monkeypatch):
    monkeypatch.setattr(pytorch_runtime.environment, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(openvino_runtime.openvino, "Core", lambda: Incapable())
    for runtime, form in ((openvino_runtime, "openvino"), (pytorch_runtime, "model")):
        with pytest.raises(UserError, match="this CPU has no bfloat16; take the device out of 'devices'"):
            runtime.Runtime(artifacts / form, device=BFLOAT16)


class Incapable:
    def get_property(self, *_) -> list[str]:
        return ["FP32", "INT8"]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home directory in which the packages of OpenVINO leave the folder intel before they send anything."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def test_nothing_is_reported_to_a_server(home):
    code = "from encoder_compression.export import openvino_model; import sys; print('nncf' in sys.modules)"
    assert printed_in_a_job(code, home / "log").split() == ["True"]
    assert not (home / "intel").exists()


def test_a_measured_process_reports_nothing_either(home, artifacts, dataset):
    with RemoteWorker(artifact=artifacts / "openvino", dataset=dataset, split="test", device=DEVICE) as worker:
        worker.wait_until_loaded()
    assert not (home / "intel").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "openvino", "hardware": "cuda"}, "openvino runs on the CPU here"),
        ({"runtime": "onnxruntime", "precision": "bfloat16"}, "onnxruntime computes in float32"),
    ],
)
def test_a_device_that_cannot_be_is_refused_before_anything_runs(tiny, changes, message):
    (mistake,) = consistency.find_mistakes(tiny.options | {"distill": {}, "devices": {"mine": DEVICE | changes}})
    assert mistake.place == ("devices", "mine") and message in mistake.message


def test_the_baseline_of_every_precision_is_pytorch_in_float32():
    pytorch = DEVICE | {"runtime": "pytorch"}
    devices = {"a-bf16": pytorch | {"precision": "bfloat16"}, "plain": pytorch, "ov": DEVICE, "ov-bf16": BFLOAT16}
    study = load_tiny(devices=devices, variants=["teacher+openvino8"], compare=[])
    assert {study.baseline_device(device) for device in devices} == {"plain"}
    assert {device for _, _, device in study.rows()} == {"ov", "ov-bf16"}
