"""Quantize a classifier to 8 bits for OpenVINO, at most one point of accuracy below its own, as the documentation of NNCF shows it."""

import csv
from pathlib import Path

import nncf
import openvino
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def read(name):
    """Return texts and class numbers of a split."""
    with Path(name).open(encoding="utf-8", newline="") as file:
        return [(row["text"], model.config.label2id[row["label"]]) for row in csv.DictReader(file)]


def tokens(row):
    """Return what the graph takes."""
    return dict(tokenizer(row[0], return_tensors="np"))


def accuracy(compiled, rows):
    """Return the accuracy of a compiled graph, and whether each answer is right."""
    right = [float(compiled(tokens(row))[0].argmax() == row[1]) for row in rows]
    return sum(right) / len(right), right


tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForSequenceClassification.from_pretrained("model").eval()
train, validation = read("train.csv"), read("validation.csv")
graph = openvino.convert_model(model, example_input=dict(tokenizer(train[0][0], return_tensors="pt")))
quantized = nncf.quantize_with_accuracy_control(
    graph,
    calibration_dataset=nncf.Dataset(train[:300], tokens),
    validation_dataset=nncf.Dataset(validation),
    validation_fn=accuracy,
    max_drop=0.01,
    model_type=nncf.ModelType.TRANSFORMER,
)
openvino.save_model(quantized, "int8/openvino_model.xml", compress_to_fp16=False)
