"""Quantize a classifier to 8 bits, activations as well, as the documentation of transformers shows it."""

from torchao.quantization import Int8DynamicActivationInt8WeightConfig
from transformers import AutoModelForSequenceClassification, TorchAoConfig

options = TorchAoConfig(Int8DynamicActivationInt8WeightConfig())
model = AutoModelForSequenceClassification.from_pretrained("model", quantization_config=options)
model.save_pretrained("int8")
