"""Quantized weights for PyTorch are what the libraries say, the rest is bit for bit the parent's, and the folder loads by itself."""

import pytest
import torch

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.quantization import pytorch_model
from quantized_models import STEPS, classifier, logits, logits_elsewhere, quantized, settings, tensors

LAYER = "bert.encoder.layer.1.intermediate.dense.weight"
OUTSIDE = ("embeddings", "pooler", "classifier", "LayerNorm", "bias")
pretrained.allow_quantizer("bitsandbytes")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return classifier(tmp_path_factory.mktemp("quantized"))


@pytest.fixture(scope="module", params=STEPS)
def step(request, parent, dataset):
    quantized(parent, dataset, request.param)
    return request.param


def folder_of(parent, step):
    return parent.parent / step


def loaded(folder):
    return dict(pretrained.load_on(folder, hardware="cpu", dtype=torch.float32).named_modules())


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_four_bits_stand_for_what_bitsandbytes_itself_makes_of_the_weights(parent, dataset, kind):
    from bitsandbytes import functional

    exact = tensors(parent)[LAYER]
    double = STEPS[kind]["double"]
    codes, state = functional.quantize_4bit(exact, blocksize=64, compress_statistics=double, quant_type=kind)
    layer = loaded(quantized(parent, dataset, kind))[LAYER.removesuffix(".weight")]
    assert torch.equal(layer.weight.data, codes)
    assert torch.equal(functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state), functional.dequantize_4bit(codes, state))


@pytest.mark.parametrize("kind", ["llm8", "torch8", "stored8"])
def test_eight_bits_are_off_by_no_more_than_half_a_step_of_their_output(parent, dataset, kind):
    stored, exact = tensors(quantized(parent, dataset, kind)), tensors(parent)[LAYER]
    name = LAYER.removesuffix(".weight")
    codes, scales = stored.get(LAYER, stored.get(f"{name}._weight_qdata")), stored.get(f"{name}.SCB", stored.get(f"{name}._weight_scale"))
    steps = scales[:, None] / 127 if kind == "llm8" else scales
    assert codes.dtype == torch.int8
    assert (codes.int().abs().amax(dim=1) >= 126).all(), "the scale is that of the largest weight of an output"
    assert ((codes * steps - exact).abs() <= 0.51 * steps + 1e-3 * exact.abs()).all(), "bitsandbytes rounds to float16 first"


def test_all_outside_the_layers_keeps_every_bit(parent, step):
    before, after = tensors(parent), tensors(folder_of(parent, step))
    kept = [name for name in before if any(part in name for part in OUTSIDE)]
    assert len(kept) == len(before) - 12, "six matrices of each layer are quantized"
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert not [name for name in before if name not in kept and torch.equal(before[name], after.get(name, torch.zeros(1)))]


def test_the_folder_loads_by_itself_in_another_process_and_answers_the_same(parent, step):
    folder = folder_of(parent, step)
    torch.testing.assert_close(logits_elsewhere(folder), logits(folder), atol=1e-6, rtol=0)


def test_it_answers_nearly_what_its_parent_does_and_nearer_with_more_bits(parent, dataset):
    exact = logits(parent)
    moved = {kind: (logits(quantized(parent, dataset, kind)) - exact).norm() / exact.norm() for kind in STEPS}
    assert all(0 < share < 0.3 for share in moved.values())
    assert max(moved["llm8"], moved["torch8"], moved["stored8"]) < min(moved["nf4"], moved["fp4"])


def test_the_file_is_as_small_as_bits_and_scales_make_it(parent, dataset):
    """A layer of 64 x 128: half a byte for each weight, a scale for every 64, of one byte in place of four where it is quantized, too."""
    weights = 64 * 128
    nf4, fp4, llm8 = (tensors(quantized(parent, dataset, kind)) for kind in ("nf4", "fp4", "llm8"))
    assert nf4[LAYER].nbytes == fp4[LAYER].nbytes == weights // 2
    assert nf4[f"{LAYER}.absmax"].nbytes == weights // 64
    assert fp4[f"{LAYER}.absmax"].nbytes == 4 * weights // 64
    assert (llm8[LAYER].nbytes, llm8[LAYER.replace("weight", "SCB")].nbytes) == (weights, 4 * 128)


def test_four_bits_fill_their_blocks_with_neurons_of_zeros_and_change_nothing_by_that(tmp_path, dataset):
    """72 neurons, as structured pruning leaves them, are no whole blocks: bitsandbytes 0.50.2 gives wrong weights for them."""
    parent = classifier(tmp_path, intermediate_size=72)
    folder = quantized(parent, dataset, "nf4")
    assert (settings(parent)["intermediate_size"], settings(folder)["intermediate_size"]) == (72, 128)
    layer = loaded(folder)["bert.encoder.layer.0.intermediate.dense"]
    assert not layer(torch.randn(3, 64))[:, 72:].any()
    torch.testing.assert_close(logits(folder), logits(parent), atol=0.5, rtol=0.5)
    assert settings(quantized(parent, dataset, "llm8"))["intermediate_size"] == 72


@pytest.mark.parametrize("architecture", ["distilbert", "modernbert", "roberta"])
def test_neurons_of_zeros_leave_the_logits_of_every_kind_of_layer_alone(tmp_path, architecture):
    parent = classifier(tmp_path, architecture, intermediate_size=72)
    network = pretrained.load_plain(parent, dtype=torch.float32).eval()
    before = pretrained.logits(network(input_ids=torch.tensor([[5, 9, 17]])))
    assert pytorch_model._fill_blocks(network) == 56
    torch.testing.assert_close(pretrained.logits(network(input_ids=torch.tensor([[5, 9, 17]]))), before, atol=1e-6, rtol=1e-5)
    assert all(layer.in_features % 64 == 0 for layer in pretrained.encoder_linears(network).values())


def test_rows_that_cannot_be_whole_blocks_are_refused(tmp_path, dataset):
    parent = classifier(tmp_path, hidden_size=96)
    with pytest.raises(
        UserError, match="bits: 4: the rows of layer.0.attention.self.query have 96 weights, not whole blocks of 64; take bits: 8"
    ):
        quantized(parent, dataset, "nf4")


@pytest.mark.parametrize("kind", ["nf4", "torch8"])
def test_removed_attention_heads_are_zeros_that_stay_zero(tmp_path, dataset, kind):
    parent = classifier(tmp_path)
    network = pretrained.load_model(parent)
    pretrained.remove_heads(network, {0: [1]})
    pretrained.save(network, encoder_facts.load_tokenizer(parent), parent)
    folder = quantized(parent, dataset, kind)
    assert "removed_heads" not in settings(folder)
    torch.testing.assert_close(logits_elsewhere(folder), logits(folder), atol=1e-6, rtol=0)
    query = loaded(folder)["bert.encoder.layer.0.attention.self.query"]
    with torch.inference_mode():
        assert not query(torch.randn(3, 64))[:, 32:].any()
    torch.testing.assert_close(logits(folder), logits(parent), atol=0.5, rtol=0.5)
