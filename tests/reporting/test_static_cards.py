"""The card of a static student has code that needs no class of its own, for one text and for two."""

import pytest
import torch
from test_card_code import PAIR, code_of, run

from conftest import load_tiny
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.static_model import StaticConfig, StaticForSequenceClassification
from encoder_compression.export import onnx_graph
from written_cards import DATASET, DEVICES, ONNX_ROW, TORCH_ROW, card

STATIC = {"static8": {"dimensions": 8, "unlabelled": False, "loss": {"soft": 1}, "teacher": "teacher", "training": {"epochs": 3}}}
ROWS = [row | {"variant": "teacher+static8"} for row in (TORCH_ROW, ONNX_ROW)]


def save(folder, encoder, texts: int) -> torch.nn.Module:
    """Write a static model with random weights and its graph; return it."""
    torch.manual_seed(0)
    tokenizer = encoder_facts.load_tokenizer(encoder)
    names = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = StaticForSequenceClassification(StaticConfig(vocab_size=len(tokenizer), hidden_size=8, texts=texts, num_labels=2, **names))
    pretrained.save(model, tokenizer, folder / "model")
    onnx_graph.export(model=folder / "model", options=load_tiny().options["export"], output=folder / "onnx")
    return model.eval()


@pytest.mark.parametrize(("texts", "form"), [(1, "model"), (2, "model"), (2, "onnx")])
def test_the_code_of_the_card_answers_what_the_model_answers(tmp_path, encoder, form, texts):
    model, tokenizer = save(tmp_path, encoder, texts), encoder_facts.load_tokenizer(encoder)
    given = ("a good film", "not dull at all")[:texts]
    source = load_tiny().options["dataset"] | ({"columns": PAIR} if texts == 2 else {})
    options = load_tiny().options | {"devices": DEVICES, "static": STATIC, "dataset": source}
    written = card(tmp_path, options, form, "teacher+static8", ROWS)
    label, probability = run(f"{code_of(written)}\nprint(*classify(*{given}))", tmp_path)[-1].split()
    with torch.inference_mode():
        expected = model(**tokenizer(*given, return_tensors="pt")).logits[0].softmax(-1)
    assert label == DATASET["labels"][int(expected.argmax())]
    assert float(probability) == pytest.approx(float(expected.max()), abs=1e-4)
    assert "one embedding of 8 numbers for each token" in written.text
    assert written.data.library_name == {"model": "safetensors", "onnx": "onnxruntime"}[form]
