"""The hidden words of a text, from the words around them (BERT; Devlin et al. 2019): what an encoder learns before any task."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from tokenizers import Tokenizer

from encoder_compression.data import features
from encoder_compression.data.features import IGNORED
from encoder_compression.data.sources.batches import BATCH, Table
from encoder_compression.data.spool import Rows
from encoder_compression.data.tasks import sentences
from encoder_compression.data.tasks.blocks import Blocks, pack
from encoder_compression.data.tasks.mlm_masking import MlmMasking, for_tokenizer
from encoder_compression.errors import UserError

HUB_NAME = "fill-mask"
UNIT = "block"
SHOWN = ("masked_accuracy",)
RIGHT, SLICED = "", ""
SUSPECT = "the tokenizer of the encoder"
TARGETS = {"labels": "labels"}
ONCE = False  # a repeated document is known by more than its rows
TITLE = r"= (?!=).*(?<!=) ="  # of an article of WikiText; sections have more signs of equality
FIXED_SEED = 0  # of the MLM masks of validation and test, the same for all models


def clean(table: Table, split: str, options: dict, dropped: Counter) -> Iterator[pd.DataFrame]:
    """Yield the rows that hold text, with the document that each is of as its "group"; of repeated documents the first.

    A document begins at a title in WikiText's form where the table has such, else behind an empty row where it has such, else
    with every row.
    """
    column = options["columns"]["text"]
    has_titles = any(_stripped(batch, column).str.fullmatch(TITLE).any() for batch in table.batches([column]))
    has_gaps = any(_stripped(batch, column).eq("").any() for batch in table.batches([column]))
    dropped |= {"empty text": 0, "in a repeated document": 0}
    seen: set[str] = set()
    rows: list[tuple[str, str]] = []
    count = 0
    for document in _documents(table, column, has_titles=has_titles, has_gaps=has_gaps, dropped=dropped):
        name = hashlib.sha256("\n".join(document).encode()).hexdigest()
        if name in seen:
            dropped["in a repeated document"] += len(document)
            continue
        seen.add(name)
        rows += [(name, text) for text in document]
        if len(rows) >= BATCH:
            yield _frame(rows, split, count)
            count, rows = count + len(rows), []
    if rows:
        yield _frame(rows, split, count)


def _stripped(batch: pd.DataFrame, column: str) -> pd.Series:
    return sentences.stripped(batch[column])


def _documents(table: Table, column: str, *, has_titles: bool, has_gaps: bool, dropped: Counter) -> Iterator[list[str]]:
    """Yield the texts of each document, less the empty ones, which are counted."""
    document: list[str] = []
    gap = False
    for batch in table.batches([column]):
        texts = _stripped(batch, column)
        titles = texts.str.fullmatch(TITLE)
        for text, is_title in zip(texts, titles, strict=True):
            begins = is_title if has_titles else gap or not has_gaps
            if begins and document:
                yield document
                document = []
            gap = not text
            dropped["empty text"] += gap
            document += [] if gap else [text]
    if document:
        yield document


def _frame(rows: list[tuple[str, str]], split: str, first: int) -> pd.DataFrame:
    """Return rows of (name of the document, text) as a table; ``first`` counts those before them."""
    frame = pd.DataFrame(rows, columns=["group", "text"], dtype="str")
    return frame.assign(id=[f"{split}-{first + index}" for index in range(len(frame))], source=frame["group"])


def write(splits: dict[str, Rows], folder: Path, *, options: dict, head: list[str] | None, tokenizer, told_apart: bool) -> dict:
    """Write full blocks: of train as they are, of validation and test masked once and for all, with the tokens to guess."""
    masking = for_tokenizer(tokenizer, **options["masking"])
    rows, left_over = {}, {}
    for name, split in splits.items():
        blocks = pack(split.frame(), tokenizer=tokenizer, length=options["max_length"])
        if not len(blocks.ids):
            raise UserError(
                f"dataset: the {blocks.left_over} tokens of split '{name}' fill no block of {options['max_length']}; give more text"
            )
        columns = _to_be_masked(blocks, masking) if name == "train" else _masked(blocks, masking)
        ids = [f"{name}-{index}" for index in range(len(blocks.ids))]
        parquet.write_table(pa.table({"id": ids, "group": blocks.groups, **columns}), folder / f"{name}.parquet")
        rows[name], left_over[name] = len(blocks.ids), blocks.left_over
    return {"rows": rows, "left_over_tokens": left_over, "masking": asdict(masking)}


def _to_be_masked(blocks: Blocks, masking: MlmMasking) -> dict[str, pa.Array]:
    """Return the columns of blocks that get another MLM mask in each epoch."""
    return {"input_ids": _lists(blocks.ids), **({"words": _lists(blocks.words)} if masking.whole_words else {})}


def _masked(blocks: Blocks, masking: MlmMasking) -> dict[str, pa.Array]:
    """Return the columns of blocks whose MLM masks stay."""
    pairs = zip(blocks.ids, blocks.words, strict=True)
    applied = [masking.apply(ids, words, np.random.default_rng([FIXED_SEED, index])) for index, (ids, words) in enumerate(pairs)]
    masked, labels = (np.stack(column) for column in zip(*applied, strict=True))
    return {"input_ids": _lists(masked), "labels": _lists(labels)}


def _lists(values: np.ndarray) -> pa.Array:
    """Return the rows of a matrix as lists of Arrow."""
    count, length = values.shape
    return pa.LargeListArray.from_arrays(np.arange(count + 1) * length, values.reshape(-1))


def head(description: dict) -> dict:
    """Return nothing: a token of the vocabulary needs no more than the class says."""
    return {}


def reduce(logits):
    """Return the likeliest token at each place [batch, length] of logits [batch, length, vocabulary], which fill the memory."""
    return logits.argmax(-1)


def possible(logits: np.ndarray, row: dict) -> np.ndarray:
    """Return the logits as they are: every token can be chosen."""
    return logits


def decode(dataset: Path, split: str, logits: list) -> dict[str, list]:
    """Return the tokens to guess of each block and those that were guessed, from the likeliest tokens [length] of each."""
    table = features.read(dataset, split, "id", "group", "labels")
    labels = [np.array(row) for row in table["labels"].to_pylist()]
    return {
        "id": table["id"].to_pylist(),
        "group": table["group"].to_pylist(),
        "label": [row[row != IGNORED].tolist() for row in labels],
        "prediction": [np.asarray(tokens)[row != IGNORED].tolist() for row, tokens in zip(labels, logits, strict=True)],
        "tokens": [len(row) for row in labels],
    }


def text_calls(dataset: Path, split: str, tokenizer: Tokenizer, description: dict) -> None:
    """No raw text belongs to a block, which is cut across texts and masked among its tokens."""
    return


def is_tuned(description: dict) -> bool:
    """The likeliest token needs no threshold."""
    return False


def tune(predictions: dict, validation: dict, metric: str) -> tuple[dict, dict]:
    """Return the predictions as they are, and nothing about them."""
    return predictions, {}


def is_constant(labels, predictions) -> bool:
    """Say whether the same token was guessed everywhere."""
    return len({token for block in predictions for token in block}) == 1


def best_constant(labels, metric: str, description: dict) -> tuple[float, str]:
    """Return the score of predicting the commonest of the masked tokens everywhere."""
    commonest = np.bincount(np.concatenate([np.asarray(block) for block in labels])).argmax()
    predictions = [np.full(len(block), commonest) for block in labels]
    return float(np.mean(CREDITS[metric](labels, predictions))), "always predicting the commonest token"


def right(labels, predictions) -> None:
    """No block is right or wrong, only its tokens are."""
    return


def kinds(labels, description: dict) -> dict[str, np.ndarray]:
    """Return none: blocks have no kinds."""
    return {}


def _shares(labels, predictions) -> np.ndarray:
    """Return the share of each block's tokens that were guessed."""
    return np.array([np.mean(np.equal(*pair)) for pair in zip(labels, predictions, strict=True)])


CREDITS = {"masked_accuracy": _shares}
SCORES: dict = {}
