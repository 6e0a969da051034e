"""The card of a bag of words has code that answers what its graph answers, and does not speak of an encoder's weights."""

import numpy as np
import pytest
from scipy.special import softmax
from test_card_code import code_of, run

from conftest import load_tiny
from encoder_compression.encoders import encoder_facts
from encoder_compression.export.onnx_graph import PLAIN
from encoder_compression.runtimes.onnxruntime_runtime import Runtime
from encoder_compression.techniques.bag_of_words import bag_of_words
from encoder_compression.training.train import Goal
from written_cards import DEVICES, ONNX_ROW, card

OPTIONS = {"ngrams": [1, 2], "inverse_regularization": [1, 10], "min_texts": 2, "version": 1}


def test_the_code_of_the_card_answers_what_the_graph_answers(tmp_path, encoder, dataset):
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    bag_of_words(encoder=encoder, goal=goal, options=OPTIONS, graph=tmp_path / "onnx", curve=tmp_path / "training.csv")
    options = load_tiny().options | {"devices": DEVICES, "bag_of_words": {"bag": OPTIONS}}
    written = card(tmp_path, options, "onnx", "bag", [ONNX_ROW | {"variant": "bag"}])
    label, probability = run(f"{code_of(written)}\nprint(*classify('a good film'))", tmp_path)[-1].split()
    ids = np.array([encoder_facts.load_tokenizer(encoder)("a good film")["input_ids"]])
    expected = softmax(Runtime(tmp_path / "onnx", device=PLAIN)({"input_ids": ids})[0])
    assert label == str(expected.argmax())
    assert float(probability) == pytest.approx(expected.max(), abs=1e-6)
    assert "TF-IDF of n-grams of tokens and a linear model" in written.text
    assert "No weight of the encoder is in it: it takes the tokenizer alone." in written.text
    assert "The weights were then written" not in written.text
    assert {"tf-idf", "onnx"} <= set(written.data.tags)
