"""Classifiers with quantized weights, made of random ones as a study makes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.quantization.pytorch_model import quantize

STEPS = {
    "nf4": {"method": "bitsandbytes", "bits": 4, "type": "nf4", "double": True},
    "fp4": {"method": "bitsandbytes", "bits": 4, "type": "fp4", "double": False},
    "llm8": {"method": "bitsandbytes", "bits": 8, "threshold": 6.0},
    "torch8": {"method": "torchao", "bits": 8, "activations": "int8"},
    "stored8": {"method": "torchao", "bits": 8, "activations": "float32"},
}
WIDE = {"hidden_size": 64, "intermediate_size": 128}
SENTENCE = [[5, 9, 17, 33, 21, 8, 40]]
# The file alone: no path of this process (-I), not this package, and no way to unpickle.
RELOAD = """
import pickle, sys
sys.modules["encoder_compression"] = None
import torch
def refuse(*arguments, **options): raise AssertionError("unpickled")
pickle.load = pickle.loads = torch.load = refuse
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained({folder!r}).eval()
with torch.inference_mode():
    print(model(input_ids=torch.tensor({sentence})).logits.tolist())
"""


def classifier(folder: Path, architecture: str = "bert", **shape) -> Path:
    """Save a random classifier whose weights are as large as trained ones; return its folder."""
    encoder = make_encoder(folder / "encoder", architecture, **(WIDE | shape))
    torch.manual_seed(0)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "float")
    return folder / "float"


def quantized(parent: Path, dataset: Path, step: str) -> Path:
    """Return the folder of the parent's weights as the step stores them."""
    output = parent.parent / step
    quantize(parent=parent, dataset=dataset, options=STEPS[step], output=output)
    return output


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def settings(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def logits(folder: Path) -> torch.Tensor:
    model = pretrained.load_on(folder, hardware="cpu", dtype=torch.float32).eval()
    with torch.inference_mode():
        return pretrained.logits(model(input_ids=torch.tensor(SENTENCE)))


def logits_elsewhere(folder: Path) -> torch.Tensor:
    """Return the logits that a fresh process gets from the folder with transformers alone."""
    code = RELOAD.format(folder=str(folder), sentence=SENTENCE)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", code], env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return torch.tensor(json.loads(done.stdout))
