"""Real tokenizers of each architecture, from the folder that ENCODER_DATA names; tests that need them skip without."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

needed = pytest.mark.skipif("ENCODER_DATA" not in os.environ, reason="needs real tokenizers: set ENCODER_DATA to their folder")
FOLDERS = {
    "bert": "bert-base-uncased",
    "roberta": "roberta-base",
    "modernbert": "modernbert",
    "deberta-v2": "deberta-v3",
    "xlm-roberta": "deberta-v3",  # DeBERTa's pieces, numbered and put between special tokens as these two do it
    "camembert": "deberta-v3",
}
RENAMED = {"spm.model": "sentencepiece.bpe.model"}


def copy(architecture: str, folder: Path) -> Path:
    """Copy the files of a tokenizer, beside a config.json that says whose it is; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    borrowed = architecture in ("xlm-roberta", "camembert")
    for file in (Path(os.environ["ENCODER_DATA"]) / "tokenizers" / FOLDERS[architecture]).iterdir():
        if not borrowed or file.name in RENAMED:
            shutil.copyfile(file, folder / (RENAMED[file.name] if borrowed else file.name))
    (folder / "config.json").write_text(json.dumps({"model_type": architecture}), encoding="utf-8")
    return folder


@cache
def read(architecture: str) -> PreTrainedTokenizerFast:
    with TemporaryDirectory() as folder:
        return AutoTokenizer.from_pretrained(copy(architecture, Path(folder)))
