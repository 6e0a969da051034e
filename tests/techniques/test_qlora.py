"""Frozen weights in 4 bits take an eighth of the memory; the merged model is a plain one that answers as the updates on them do."""

import peft
import pytest
import torch
from safetensors.torch import load_file

from conftest import make_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.techniques import lora as module
from job_frames import printed_in_a_job
from trained_updates import answers, run_lora

four_bits = module._four_bits()
ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "mpnet"]
WIDE = {"hidden_size": 64, "intermediate_size": 128}


def classifier(encoder):
    return pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})


@pytest.fixture(scope="module")
def options(tiny):
    return tiny.options["lora"]["lora4"] | {"qlora": True}


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("wide") / "encoder", **WIDE)


def test_every_linear_layer_of_the_encoder_takes_half_a_byte_for_a_weight_and_nothing_else_changes(wide):
    before, held = classifier(wide), classifier(wide)
    before.load_state_dict(held.state_dict())  # the new head, too
    four_bits.hold(held)
    linears = pretrained.encoder_linears(held)
    assert linears.keys() == pretrained.encoder_linears(before).keys()
    for name, layer in pretrained.encoder_linears(before).items():
        stored, scales = linears[name].weight.data, linears[name].weight.quant_state
        assert stored.nbytes * 2 == layer.weight.numel()
        assert scales.absmax.nbytes * 64 == layer.weight.numel(), "a byte for every 64 weights"
    outside = {name: weight for name, weight in before.state_dict().items() if not name.endswith(tuple(f"{one}.weight" for one in linears))}
    assert len(outside) == len(before.state_dict()) - len(linears)
    assert all(torch.equal(weight, held.state_dict()[name]) for name, weight in outside.items())


def test_rows_that_are_no_whole_blocks_are_refused(tmp_path):
    """bitsandbytes 0.50.2 gives wrong weights for them on the CPU, and says nothing."""
    network = classifier(make_encoder(tmp_path / "odd", hidden_size=64, intermediate_size=96))
    with pytest.raises(
        UserError, match="qlora: the rows of layer.0.output.dense have 96 weights, not whole blocks of 64; take 'qlora' out"
    ):
        four_bits.hold(network)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_bits_stand_for_is_near_the_weights_and_stays_so_when_the_model_answers(tmp_path, architecture):
    encoder = make_encoder(tmp_path / architecture, architecture, **WIDE)
    before, network = classifier(encoder), classifier(encoder)
    four_bits.hold(network)
    held = answers(network, encoder)
    four_bits.release(network)
    torch.testing.assert_close(answers(network, encoder), held, atol=1e-6, rtol=1e-5)
    assert network.state_dict().keys() == before.state_dict().keys()
    for name, layer in pretrained.encoder_linears(network).items():
        exact = pretrained.encoder_linears(before)[name].weight
        assert type(layer) is torch.nn.Linear
        assert 0 < (layer.weight - exact).abs().max() < 0.2 * exact.abs().max(), "half the widest step of NF4 is 0.15"


@pytest.mark.parametrize("dora", [False, True])
def test_the_merged_model_answers_as_the_adapter_does_on_what_the_bits_stand_for(wide, dataset, tmp_path, options, dora):
    facts = run_lora(wide, dataset, tmp_path, options | {"dora": dora})
    assert facts["merging_changes_logits_by"] < 1e-5
    base = classifier(wide)
    four_bits.hold(base)
    four_bits.release(base)
    apart = answers(peft.PeftModel.from_pretrained(base, tmp_path / "adapter"), wide)
    torch.testing.assert_close(answers(pretrained.load_model(tmp_path / "model"), wide), apart, atol=1e-5, rtol=1e-5)


def test_it_trains_as_many_parameters_as_without_and_to_another_model(wide, dataset, tmp_path, options):
    held = run_lora(wide, dataset, tmp_path / "held", options)
    plain = run_lora(wide, dataset, tmp_path / "plain", options | {"qlora": False})
    assert held["trained_parameters"] == plain["trained_parameters"]
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("held", "plain"))
    assert {name: weight.shape for name, weight in one.items()} == {name: weight.shape for name, weight in other.items()}
    assert not torch.equal(one["bert.encoder.layer.0.output.dense.weight"], other["bert.encoder.layer.0.output.dense.weight"])


def test_a_killed_run_goes_on_to_the_same_weights(wide, dataset, tmp_path, options, monkeypatch):
    run_lora(wide, dataset, tmp_path / "whole", options)

    def die(*_, **__):
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(module, "merge", die)
        run_lora(wide, dataset, tmp_path / "killed", options)
    assert run_lora(wide, dataset, tmp_path / "killed", options)["resumed"]
    whole, resumed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_training_that_holds_nothing_in_four_bits_does_not_load_their_library(tmp_path):
    code = (
        "import sys; from encoder_compression.techniques import finetune, lora; print(sys.modules['bitsandbytes'], 'peft' in sys.modules)"
    )
    assert printed_in_a_job(code, tmp_path / "log").split() == ["None", "True"]
