"""Quantize a classifier to 8 bits for OpenVINO after training, as NNCF's documentation shows it."""

import csv
from pathlib import Path

import nncf
import openvino
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForSequenceClassification.from_pretrained("model").eval()
with Path("train.csv").open(encoding="utf-8", newline="") as file:
    texts = [row["text"] for row in csv.DictReader(file)]
graph = openvino.convert_model(model, example_input=dict(tokenizer(texts[0], return_tensors="pt")))
calibration = nncf.Dataset(texts[:300], lambda text: dict(tokenizer(text, return_tensors="np")))
quantized = nncf.quantize(graph, calibration, model_type=nncf.ModelType.TRANSFORMER)
openvino.save_model(quantized, "int8/openvino_model.xml", compress_to_fp16=False)
