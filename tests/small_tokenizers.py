"""Tokenizers of every kind of vocabulary, made of the tiny texts, and real ones from the folder that ENCODER_DATA names."""

import json
import os
import shutil
from collections import Counter
from functools import cache
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, CamembertTokenizer, DebertaV2Tokenizer, PreTrainedTokenizerFast, XLMRobertaTokenizer

from conftest import TINY_CSV, make_encoder
from encoder_compression.encoders import encoder_facts

needs_real = pytest.mark.skipif("ENCODER_DATA" not in os.environ, reason="needs real tokenizers: set ENCODER_DATA to their folder")
UNIGRAM = {"xlm-roberta": XLMRobertaTokenizer, "camembert": CamembertTokenizer, "deberta-v2": DebertaV2Tokenizer}
SMALL = ("bert", "roberta", "modernbert", *UNIGRAM)
REAL = {  # folder, the name that a file gets where it has another one, model_type
    "bert": ("bert-base-uncased", {}, "bert"),
    "roberta": ("roberta-base", {}, "roberta"),
    "modernbert": ("modernbert", {}, "modernbert"),
    "deberta-v2": ("deberta-v3", {}, "deberta-v2"),
    "xlm-roberta": ("deberta-v3", {"spm.model": "sentencepiece.bpe.model", "tokenizer_config.json": None}, "xlm-roberta"),
    "camembert": ("deberta-v3", {"spm.model": "sentencepiece.bpe.model", "tokenizer_config.json": None}, "camembert"),
}
MODERN_BERT = {name: f"[{name[:-6].upper()}]" for name in ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")}


def tiny_texts() -> list[str]:
    return pd.read_csv(TINY_CSV)["text"].tolist()


@cache
def small(kind: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer of an architecture's kind with some hundred entries."""
    if kind in UNIGRAM:
        return UNIGRAM[kind](vocab=_around(kind, pieces()))
    if kind == "modernbert":
        return _byte_level()
    with TemporaryDirectory() as folder:
        return encoder_facts.load_tokenizer(make_encoder(Path(folder) / "encoder", kind))


@cache
def pieces() -> list[tuple[str, float]]:
    """Return entries of Unigram with their scores: single characters, the words of the tiny texts, and what words end in."""
    words = Counter(f"▁{word}" for text in tiny_texts() for word in text.split())
    endings = Counter({word[-3:]: count for word, count in words.items() if len(word) > 4})
    letters = Counter(letter for word in words.elements() for letter in word)
    return [(piece, log(count / 10_000) - 2 * (len(piece) == 1)) for piece, count in (words | endings | letters).items()]


def _around(kind: str, pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the entries between the special ones of an architecture, in the order of its real ids."""
    first = {
        "xlm-roberta": ("<s>", "<pad>", "</s>", "<unk>"),
        "camembert": ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<s>", "</s>"),
        "deberta-v2": ("[PAD]", "[CLS]", "[SEP]", "[UNK]"),
    }[kind]
    last = () if kind == "deberta-v2" else ("<mask>",)
    return [*((token, 0.0) for token in first), *pieces, *((token, 0.0) for token in last)]


def _byte_level() -> PreTrainedTokenizerFast:
    """Return byte-level BPE with its special tokens behind all entries, as ModernBERT has them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(tiny_texts(), trainer)
    tokenizer.add_special_tokens(list(MODERN_BERT.values()))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    template = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    tokenizer.post_processor = template
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **MODERN_BERT)


def copy_real(kind: str, folder: Path) -> Path:
    """Copy the files of a real tokenizer, beside a config.json that says what it is for; returns the folder."""
    name, renamed, model_type = REAL[kind]
    folder.mkdir(parents=True, exist_ok=True)
    for file in (Path(os.environ["ENCODER_DATA"]) / "tokenizers" / name).iterdir():
        target = renamed.get(file.name, file.name)
        if target:
            shutil.copyfile(file, folder / target)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    return folder


@cache
def real(kind: str) -> PreTrainedTokenizerFast:
    with TemporaryDirectory() as folder:
        return AutoTokenizer.from_pretrained(copy_real(kind, Path(folder)))
