"""Real SQuAD questions and real tokenizers, from the folder that ENCODER_DATA names; tests that need them skip without."""

import os
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

needed = pytest.mark.skipif("ENCODER_DATA" not in os.environ, reason="needs real data: set ENCODER_DATA to their folder")
TOKENIZERS = {"RobertaTokenizerFast": "roberta-base", "BertTokenizerFast": "bert-base-uncased"}


@cache
def read(split: str) -> pd.DataFrame:
    """Return a split's id, title, context, question, ``texts`` (all gold answers) and ``start`` (of the first, or 0)."""
    table = pd.read_parquet(Path(os.environ["ENCODER_DATA"]) / f"{split}.parquet")
    texts = [list(answers["text"]) for answers in table["answers"]]
    starts = [int([*answers["answer_start"], 0][0]) for answers in table["answers"]]
    return table.assign(texts=texts, start=starts).astype({"context": object, "question": object})


@cache
def tokenizer(kind: str):
    import transformers

    return getattr(transformers, kind).from_pretrained(Path(os.environ["ENCODER_DATA"]) / "tokenizers" / TOKENIZERS[kind])
