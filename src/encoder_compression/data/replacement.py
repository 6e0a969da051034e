"""Train's texts with some of their words replaced by others that fit (TinyBERT's augmentation; Jiao et al. 2020, algorithm 1)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from pyarrow import parquet
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data import features
from encoder_compression.data.unlabelled import write_new
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import progress

BATCH_SIZE = 64


def replace_words(*, model: Path, dataset: Path, options: dict, output: Path, name: str) -> dict:
    """Write each text of train ``copies`` times with words replaced as texts without labels to ``output``; returns facts.

    Of the words that are one token, ``share`` are hidden at once, and each gets one of the ``candidates`` likeliest tokens that
    the language ``model`` puts in its place, by lot. Words of several tokens stay: TinyBERT takes the neighbours in a table of
    vectors for them, and hides one word at a time. What train or a later split has anyway is dropped and counted. UserError
    where the model has another vocabulary than the data set.
    """
    network, tokenizer = pretrained.load_model(model).eval(), encoder_facts.load_tokenizer(model)
    rows = parquet.read_table(Path(dataset) / "train.parquet").to_pandas()
    words = _words_of_one_token(rows, tokenizer, model)
    read = rows[[column for column in ("id", *features.INPUTS) if column in rows]]
    generator = np.random.default_rng(0)
    copies = []
    with progress.bar(options["copies"] * len(rows), description=name, unit="text") as bar:
        for number in range(options["copies"]):
            places = [_choose(words_of_text, options["share"], generator) for words_of_text in words]
            changed = _replace(network, tokenizer, read, places, options["candidates"], generator, bar)
            copies.append(read.assign(id=[f"copy{number}-{words_of_text}" for words_of_text in rows["id"]], input_ids=changed))
    tables = (pa.Table.from_pandas(copy, preserve_index=False).replace_schema_metadata(None) for copy in copies)
    return write_new(tables, Path(output), dataset=dataset, dropped={})


def _words_of_one_token(rows: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, model: Path) -> list[np.ndarray]:
    """Return for each text the places of words that are one token."""
    texts, ids = [rows[role].tolist() for role in ("text", "text_pair") if role in rows], rows["input_ids"]
    encoded = tokenizer(*texts, truncation=True, max_length=max(map(len, ids)))
    if any(list(rebuilt) != list(theirs) for rebuilt, theirs in zip(encoded["input_ids"], ids, strict=True)):
        raise UserError(f"unlabelled: {model} reads other tokens than the data set has; take a language model of the same encoder")
    return [_alone(encoded.word_ids(index), encoded.sequence_ids(index)) for index in range(len(ids))]


def _alone(words: list[int | None], texts: list[int | None]) -> np.ndarray:
    """Return the places whose word, of one of two texts, no other place belongs to; special tokens are of none."""
    units = pd.Series(list(zip(texts, words, strict=True)))
    return np.flatnonzero(~units.duplicated(keep=False) & pd.Series(words).notna())


def _choose(places: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Return the share of the places, one at least where there is any."""
    count = min(len(places), max(1, round(share * len(places))))
    return generator.choice(places, count, replace=False)


def _replace(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pd.DataFrame,
    places: list[np.ndarray],
    candidates: int,
    generator: np.random.Generator,
    bar,
) -> list[np.ndarray]:
    """Return the tokens of the texts with another one at each of the places."""
    changed = [ids.copy() for ids in rows["input_ids"]]
    for batch in _batches(changed):
        is_masked = [np.isin(np.arange(len(changed[index])), places[index]) for index in batch]
        read = rows.iloc[batch].to_dict("list")
        read["input_ids"] = [
            np.where(masked, tokenizer.mask_token_id, ids) for masked, ids in zip(is_masked, read["input_ids"], strict=True)
        ]
        del read["id"]
        inputs = tokenizer.pad({name: [sequence.tolist() for sequence in column] for name, column in read.items()}, return_tensors="pt")
        where = torch.nn.utils.rnn.pad_sequence([torch.tensor(masked) for masked in is_masked], batch_first=True)
        with torch.inference_mode(), pretrained.head_at(model, where):
            logits = pretrained.logits(model(**inputs))[0].index_fill(1, torch.tensor(tokenizer.all_special_ids), -torch.inf)
        likeliest = logits.topk(candidates).indices.numpy()
        drawn = iter(likeliest[np.arange(len(likeliest)), generator.integers(0, candidates, len(likeliest))])
        for index, masked in zip(batch, is_masked, strict=True):
            changed[index][masked] = [next(drawn) for _ in range(masked.sum())]
        bar.update(len(batch))
    return changed


def _batches(ids: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the numbers of texts of similar lengths."""
    order = np.argsort([len(sequence) for sequence in ids], kind="stable")
    yield from (order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE))
