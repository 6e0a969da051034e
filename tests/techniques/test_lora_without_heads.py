"""Updates of a model that lost attention heads: peft adds them to the full shape that its files have."""

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from conftest import load_tiny, make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from trained_updates import answers, run_lora

REMOVED = {1: [0, 2, 3]}


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def encoder_with_few_heads(request, tmp_path_factory):
    folder = make_encoder(tmp_path_factory.mktemp("few") / "encoder", request.param, heads=4)
    model = pretrained.add_head(folder, "AutoModel", {})
    pretrained.remove_heads(model, REMOVED)
    pretrained.save(model, encoder_facts.load_tokenizer(folder), folder)
    return folder


def test_peft_and_plain_transformers_answer_as_the_merged_model_does(encoder_with_few_heads, dataset, tiny, tmp_path):
    run_lora(encoder_with_few_heads, dataset, tmp_path, tiny.options["lora"]["lora4"] | {"targets": "all"})
    base = AutoModelForSequenceClassification.from_pretrained(encoder_with_few_heads, num_labels=2)
    untrained = answers(base, encoder_with_few_heads)
    apart = answers(peft.PeftModel.from_pretrained(base, tmp_path / "adapter"), encoder_with_few_heads)
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    torch.testing.assert_close(answers(merged, encoder_with_few_heads), apart, atol=1e-5, rtol=1e-5)
    assert (apart - untrained).abs().max() > 1e-2


def test_the_heads_stay_removed(encoder_with_few_heads, dataset, tiny, tmp_path):
    run_lora(encoder_with_few_heads, dataset, tmp_path, tiny.options["lora"]["lora4"])
    query = next(
        weight
        for name, weight in load_file(tmp_path / "model" / "model.safetensors").items()
        if "layer.1.attention.self.query.w" in name or "layer.1.attention.q_lin.w" in name
    )
    assert (query == 0).all(dim=1).tolist() == [row // 8 in REMOVED[1] for row in range(32)]
    small = pretrained.load_model(tmp_path / "model")
    assert [block.query.out_features for block in pretrained.blocks(small)] == [32, 8]


@pytest.mark.parametrize("key", ["dora", "qlora"])
def test_what_depends_on_the_shape_of_whole_matrices_is_refused(encoder_with_few_heads, dataset, tiny, tmp_path, key):
    with pytest.raises(UserError, match="attention heads of layer 2 are removed already, and a lora step with dora or qlora needs"):
        run_lora(encoder_with_few_heads, dataset, tmp_path, tiny.options["lora"]["lora4"] | {key: True})


@pytest.mark.parametrize("key", ["dora", "qlora"])
def test_a_chain_with_it_is_refused_before_any_job(tiny, key):
    steps = {"lora": {"updates": tiny.options["lora"]["lora4"] | {key: True}}}
    with pytest.raises(UserError, match=f"'updates' with {key} needs all attention heads, but follows 'width40'; take '{key}' out"):
        load_tiny(**steps, variants=["teacher", "teacher+width40+updates"]).check("teacher+width40+updates")
