"""PyTorch in 8 bits or compiled answers as in float32, and its own profile says what ran."""

import numpy as np
import pytest
import torch

from conftest import load_tiny, make_encoder
from encoder_compression.config import consistency
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.runtimes.pytorch_runtime import Runtime, to_int8

DEVICE = {"runtime": "pytorch", "hardware": "cpu", "threads": 1, "precision": "float32"}
INT8 = DEVICE | {"precision": "int8"}
COMPILED = DEVICE | {"compile": True}
NAMES = {"input_ids", "attention_mask", "token_type_ids"}
LENGTHS = np.array([8])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    encoder = make_encoder(folder / "encoder", layers=1)
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder / "model")
    return folder / "model"


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch.compiler.reset()


def batch(size: int, length: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(length)
    ids = generator.integers(5, 90, (size, length))
    attention_mask = np.ones_like(ids)
    attention_mask[1:, length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": attention_mask, "token_type_ids": np.zeros_like(ids)}


def test_a_layer_in_int8_is_off_by_no_more_than_rounding_to_its_formats():
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 16, bias=False)
    layer.weight.data *= torch.logspace(-3, 0, 16)[:, None]  # one scale for all of them would lose the small outputs
    inputs = torch.randn(5, 64)
    expected = layer(inputs).detach()
    weight = layer.weight.detach().abs()
    off = (to_int8(torch.nn.Sequential(layer))(inputs) - expected).abs()
    weight_step = weight.max(dim=1).values / 127
    input_step = (inputs.max() - inputs.min()) / 127  # 7 bits where the processor lacks VNNI
    bound = inputs.abs().sum(dim=1)[:, None] * weight_step / 2 + input_step / 2 * weight.sum(dim=1)
    assert (off <= 1.1 * bound).all()
    assert (off > 0).any()


def test_int8_says_that_every_layer_ran_in_it(model):
    plain, quantized = Runtime(model, device=DEVICE), Runtime(model, device=INT8)
    layers = sum(isinstance(module, torch.nn.Linear) for module in plain.model.modules())
    assert plain.proof(batch(1, 9))["matmuls"] == {"float32": layers}
    assert quantized.proof(batch(1, 9))["matmuls"] == {"int8": layers}
    np.testing.assert_allclose(quantized(batch(2, 12)), plain(batch(2, 12)), atol=0.05)


@pytest.mark.filterwarnings("error")
def test_int8_leaves_no_warning_in_the_log(model):
    Runtime(model, device=INT8)


@pytest.mark.long
def test_compiled_code_answers_the_same_at_every_shape_and_compiles_once(model):
    plain, compiled = Runtime(model, device=DEVICE), Runtime(model, device=COMPILED)
    compiled.prepare(LENGTHS, NAMES)
    assert compiled.facts()["compile_seconds"] > 0
    with torch.compiler.set_stance("fail_on_recompile"):
        for size, length in ((1, 5), (1, 16), (1, 33), (4, 7), (8, 8), (3, 60)):
            np.testing.assert_allclose(compiled(batch(size, length)), plain(batch(size, length)), atol=1e-5)
        proof = compiled.proof(batch(1, 9))
    assert proof["compiled"] > 0
    assert proof["matmuls"] == plain.proof(batch(1, 9))["matmuls"]
    assert plain.proof(batch(1, 9))["compiled"] == 0


def test_without_a_compiler_the_remedy_is_one_line(model):
    runtime = Runtime(model, device=COMPILED)
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}), pytest.raises(UserError, match="take 'compile' out") as error:
        runtime.prepare(LENGTHS, NAMES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "openvino", "precision": "int8"}, "int8 is for pytorch on the CPU"),
        ({"hardware": "cuda", "precision": "int8"}, "int8 is for pytorch on the CPU"),
        ({"precision": "float16"}, "float16 is for pytorch on CUDA"),
        ({"runtime": "onnxruntime", "compile": True}, "only pytorch can compile"),
    ],
)
def test_a_device_that_cannot_be_is_refused_before_anything_runs(tiny, changes, message):
    (mistake,) = consistency.find_mistakes(tiny.options | {"distill": {}, "devices": {"mine": DEVICE | changes}})
    assert mistake.place == ("devices", "mine") and message in mistake.message


def test_the_baseline_is_eager_and_in_float32():
    study = load_tiny(devices={"a-compiled": COMPILED, "an-int8": INT8, "plain": DEVICE}, variants=["teacher"], compare=[])
    assert {study.baseline_device(device) for device in study.options["devices"]} == {"plain"}
    assert study.partner("teacher", "a-compiled") == ("teacher", "plain")
