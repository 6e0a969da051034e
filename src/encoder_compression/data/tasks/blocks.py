"""Texts packed into full blocks of tokens across documents, so that no place is lost to padding."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

CHUNK = 10_000  # texts that are held as Python lists of tokens at a time


@dataclass(frozen=True)
class Blocks:
    """Blocks with special tokens at both ends: ``ids`` and ``words`` [blocks, length], the first group of each, tokens left over.

    ``words`` numbers the words that the tokens of a block are of.
    """

    ids: np.ndarray
    words: np.ndarray
    groups: np.ndarray
    left_over: int


def pack(rows: pd.DataFrame, *, tokenizer, length: int) -> Blocks:
    """Return the texts of ``rows`` in their order as blocks, with the separator between two groups (documents).

    A block is [CLS] tokens [SEP] or what the tokenizer has for them. The rest that fills no block is left over.
    """
    ends_group = rows["group"].ne(rows["group"].shift(-1, fill_value=rows["group"].iloc[-1])).to_numpy()
    ids, starts, lengths = _tokens(rows["text"].tolist(), ends_group, tokenizer)
    inner = length - 2
    count = len(ids) // inner
    inside = ids[: count * inner].reshape(count, inner)
    words = starts[: count * inner].cumsum(dtype=np.int32).reshape(count, inner)
    first_rows = np.searchsorted(lengths.cumsum(), np.arange(count) * inner, side="right")
    return Blocks(
        ids=np.pad(inside, ((0, 0), (1, 1)), constant_values=((0, 0), (tokenizer.cls_token_id, tokenizer.sep_token_id))),
        words=np.pad(words, ((0, 0), (1, 1)), mode="edge"),
        groups=rows["group"].to_numpy()[first_rows],
        left_over=len(ids) - count * inner,
    )


def _tokens(texts: list[str], ends_group: np.ndarray, tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the tokens of all texts one after another, whether each begins a word, and how many tokens each text has."""
    ids, starts, lengths = [], [], []
    for first in range(0, len(texts), CHUNK):
        encoded = tokenizer(
            texts[first : first + CHUNK],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # a text may be longer than what the encoder reads
        )
        for index, row in enumerate(encoded["input_ids"]):
            separator = [tokenizer.sep_token_id] if ends_group[first + index] else []
            ids.append(np.array([*row, *separator], dtype=np.int32))
            words = np.array([-1, *encoded.word_ids(index), *(-1 for _ in separator)])
            starts.append(words[1:] != words[:-1])
            lengths.append(len(ids[-1]))
    return np.concatenate(ids), np.concatenate(starts), np.array(lengths)
