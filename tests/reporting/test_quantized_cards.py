"""The card of a quantized model for PyTorch says so in words and tags, names the libraries, and its code answers what the model does."""

import json

import pytest
import torch
from test_card_code import ASK, SENTENCES, code_of, run, unnamed_packages

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.quantization.pytorch_model import quantize
from quantized_models import STEPS, classifier
from written_cards import DEVICES, card


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    return tiny.options | {"devices": DEVICES, "quantize": STEPS}


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return classifier(tmp_path_factory.mktemp("cards"))


@pytest.mark.parametrize(
    ("step", "words", "tags"),
    [
        ("nf4", "as NF4, 4 bits with a scale for every 64, themselves in 8 bits \\(bitsandbytes\\)", ["4-bit", "bitsandbytes"]),
        ("fp4", "as FP4, 4 bits with a scale for every 64 \\(bitsandbytes\\)", ["4-bit", "bitsandbytes"]),
        ("llm8", "as 8-bit integers, inputs beyond 6 in float \\(LLM.int8\\(\\)\\)", ["8-bit", "bitsandbytes"]),
        ("torch8", "their inputs quantized as they come (dynamic INT8 of torchao)", ["8-bit", "torchao"]),
        ("stored8", "multiplied in float (weight-only INT8 of torchao)", ["8-bit", "torchao"]),
    ],
)
def test_the_card_says_what_the_bits_are(tmp_path, options, step, words, tags):
    (tmp_path / "model").mkdir()
    written = card(tmp_path, options, "model", f"teacher+{step}")
    assert words.replace("\\", "") in written.text
    assert written.data.tags == ["quantization", *tags, "encoder-compression"]
    assert written.data.library_name == "transformers"
    assert "Embeddings, pooler and head are in float" in written.text


@pytest.mark.parametrize("step", ["nf4", "llm8", "torch8"])
def test_the_code_of_the_card_runs_with_the_packages_that_it_names(parent, dataset, tmp_path, options, step):
    quantize(parent=parent, dataset=dataset, options=STEPS[step], output=tmp_path / "model")
    written = card(tmp_path, options, "model", f"teacher+{step}")
    missing = tuple(name for name in unnamed_packages(written) if not name.startswith("_"))
    answers = json.loads(run(code_of(written) + ASK, tmp_path, missing)[-1])
    model = pretrained.load_on(tmp_path / "model", hardware="cpu", dtype=torch.float32).eval()
    tokenizer = encoder_facts.load_tokenizer(parent)
    for (label, probability), sentence in zip(answers, SENTENCES, strict=True):
        with torch.inference_mode():
            expected, best = model(**tokenizer(sentence, return_tensors="pt")).logits[0].softmax(-1).max(0)
        assert probability == pytest.approx(float(expected), abs=1e-5)
        assert label == model.config.id2label[int(best)]
