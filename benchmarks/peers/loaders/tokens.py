"""Tokens of single texts by the `tokenizers` library, and the names of classes: what all transformers need around them."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer


class Texts:
    """Reads texts by the artifact's own tokenizer where it has one, else by the teacher's."""

    def __init__(self, artifact: Path, inputs: Path):
        facts = json.loads((inputs / "facts.json").read_text(encoding="utf-8"))
        self.labels = facts["labels"]
        candidates = [artifact / "tokenizer.json", inputs / "model" / "tokenizer.json"]
        self.file = next(path for path in candidates if path.exists())
        self.tokenizer = Tokenizer.from_file(str(self.file))
        self.tokenizer.enable_truncation(facts["max_length"])
        self.tokenizer.no_padding()

    def read(self, text: str) -> dict[str, np.ndarray]:
        """Return input_ids, attention_mask and token_type_ids, each int64 [1, length]."""
        (encoding,) = self.tokenizer.encode_batch_fast([text])
        parts = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
        return {name: np.array([values], np.int64) for name, values in parts.items()}

    def label(self, logits: np.ndarray) -> str:
        """Return the class with the largest of the logits [1, classes]."""
        return self.labels[int(logits[0].argmax())]
