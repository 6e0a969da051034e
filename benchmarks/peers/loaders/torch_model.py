"""A classifier of transformers in PyTorch, as its folder holds it."""

from functools import partial
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from peers.loaders.tokens import Texts


class Model:
    """Runs the weights of a folder, compiled where ``compiled`` says so."""

    def __init__(self, artifact: Path, inputs: Path, *, dtype: torch.dtype, compiled: bool):
        torch.set_num_threads(1)
        self.texts = Texts(artifact, inputs)
        model = AutoModelForSequenceClassification.from_pretrained(artifact, dtype=dtype).eval()
        self.model = torch.compile(model, dynamic=True) if compiled else model
        self.files = [*artifact.glob("*.safetensors"), artifact / "config.json", self.texts.file]
        self.read = self.texts.read

    @torch.inference_mode()
    def classify(self, tokens: dict) -> str:
        """Return the label."""
        logits = self.model(**{name: torch.from_numpy(values) for name, values in tokens.items()}).logits
        return self.texts.label(logits.float().numpy())


load = partial(Model, dtype=torch.float32, compiled=False)
