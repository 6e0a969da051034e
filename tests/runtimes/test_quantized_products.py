"""Quantized models say by PyTorch's own profile in which format their products ran, and obey the device's precision."""

import numpy as np
import pytest
import torch

from encoder_compression.encoders import pretrained
from encoder_compression.export import contents
from encoder_compression.run import environment
from encoder_compression.runtimes.pytorch_runtime import Runtime
from encoder_compression.runtimes.quantized_products import split
from quantized_models import STEPS, classifier, logits, quantized

DEVICE = {"runtime": "pytorch", "hardware": "cpu", "threads": 1, "precision": "float32"}
BATCH = {"input_ids": np.array([[5, 9, 17, 33, 21]]), "attention_mask": np.ones((1, 5), dtype=np.int64)}
IN_LAYERS, OUTSIDE = 12, 2  # six matrices in each of two layers; a pooler and a head
FORMATS = {"nf4": "few-bit weights", "fp4": "few-bit weights", "llm8": "int8", "torch8": "int8", "stored8": "few-bit weights"}
pretrained.allow_quantizer("bitsandbytes")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return classifier(tmp_path_factory.mktemp("measured"))


def event(name, start, length, thread=1):
    return {"name": name, "ts": start, "dur": length, "tid": thread}


@pytest.mark.parametrize("step", STEPS)
def test_every_product_of_a_layer_ran_with_few_bits_and_the_others_in_float(parent, dataset, step):
    if step == "llm8" and "avx512f" not in environment.hardware()["isa"]:
        pytest.skip("bitsandbytes multiplies 8 bits in float on a processor without AVX-512")
    runtime = Runtime(quantized(parent, dataset, step), device=DEVICE)
    assert runtime.proof(BATCH)["matmuls"] == {FORMATS[step]: IN_LAYERS, "float32": OUTSIDE}
    assert np.abs(runtime(BATCH) - logits_of(parent)).max() < 0.3 * np.abs(logits_of(parent)).max() + 0.3


def logits_of(folder):
    return Runtime(folder, device=DEVICE)(BATCH)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.skipif(not environment.cpu_has_bfloat16(), reason="a processor without bfloat16")
def test_what_is_not_quantized_is_in_the_precision_of_the_device(parent, dataset, step):
    runtime = Runtime(quantized(parent, dataset, step), device=DEVICE | {"precision": "bfloat16"})
    assert runtime.proof(BATCH)["matmuls"] == {FORMATS[step]: IN_LAYERS, "bfloat16": OUTSIDE}
    assert np.abs(runtime(BATCH) - Runtime(parent.parent / step, device=DEVICE)(BATCH)).max() < 0.1


def test_an_int8_device_leaves_quantized_layers_what_they_are(parent, dataset):
    runtime = Runtime(quantized(parent, dataset, "nf4"), device=DEVICE | {"precision": "int8"})
    assert runtime.proof(BATCH)["matmuls"] == {"few-bit weights": IN_LAYERS, "int8": OUTSIDE}


def test_float_products_within_an_operator_of_bitsandbytes_count_as_that_operator():
    events = [
        event("bitsandbytes::gemm_4bit", 0, 10),
        event("aten::addmm", 2, 3),
        event("aten::addmm", 2, 3, thread=2),
        event("bitsandbytes::int8_mixed_scaled_mm", 20, 10),
        event("bitsandbytes::int8_linear_matmul", 21, 3),
        event("aten::_int_mm", 22, 1),
        event("aten::mm", 26, 2),
        event("aten::addmm", 40, 2),
        {"name": "process_name"},
    ]
    formats, others = split(events, config={}, hardware="cpu")
    assert formats == {"few-bit weights": 1, "int8": 1}
    products = [each for each in others if each["name"].startswith("aten::")]
    assert products == [event("aten::addmm", 2, 3, thread=2), event("aten::addmm", 40, 2)]


@pytest.mark.parametrize(("hardware", "number_format"), [("cpu", "few-bit weights"), ("cuda", "int8")])
def test_eight_bits_without_a_kernel_for_integers_are_not_called_so(hardware, number_format):
    events = [event("bitsandbytes::int8_linear_matmul", 0, 9), event("aten::mm", 1, 2)]
    formats, others = split(events, config={}, hardware=hardware)
    assert formats == {number_format: 1}
    assert "aten::mm" not in [each["name"] for each in others]


@pytest.mark.parametrize(("step", "number_format"), [("nf4", "nf4"), ("fp4", "fp4"), ("llm8", "int8"), ("torch8", "int8")])
def test_weights_are_counted_one_by_one_in_their_format(parent, dataset, step, number_format):
    before, after = contents.describe(parent), contents.describe(quantized(parent, dataset, step))
    in_layers = 2 * (4 * 64 * 64 + 2 * 64 * 128)
    assert after["parameters"] == before["parameters"]
    assert after["matrices"] == before["matrices"]
    counted = after["dtypes"][number_format]
    assert counted == in_layers or (step == "torch8" and counted == in_layers + 2 * (5 * 64 + 128)), "torchao stores zero points, too"
    assert after["size_mb"] < before["size_mb"]


@pytest.mark.parametrize("step", ["nf4", "fp4"])
def test_zeros_of_pruning_stay_zeros_and_are_counted(tmp_path, dataset, step):
    parent = classifier(tmp_path)
    network = pretrained.load_model(parent)
    for layer in pretrained.encoder_linears(network).values():
        layer.weight.data[:, ::2] = 0
    network.save_pretrained(parent)
    after = contents.describe(quantized(parent, dataset, step))
    assert after["matrix_zeros"] >= contents.describe(parent)["matrix_zeros"]
    quantized_layers = dict(pretrained.load_on(parent.parent / step, hardware="cpu", dtype=torch.float32).named_modules())
    outlier = torch.zeros(1, 64)
    outlier[0, 0] = 1000
    query = quantized_layers["bert.encoder.layer.0.attention.self.query"]
    with torch.inference_mode():
        torch.testing.assert_close(query(outlier), query(torch.zeros(1, 64)), atol=1e-3, rtol=0)


def test_a_plain_model_is_what_it_was(parent):
    assert torch.equal(logits(parent), logits(parent))
    assert Runtime(parent, device=DEVICE).proof(BATCH)["matmuls"] == {"float32": IN_LAYERS + OUTSIDE}
