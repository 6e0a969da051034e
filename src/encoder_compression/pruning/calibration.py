"""The examples of train on which importance is measured."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from encoder_compression.data.sampling import spread
from encoder_compression.pruning.gates import Batches
from encoder_compression.training.examples import read_train
from encoder_compression.training.trainer import Collator

BATCH_SIZE = 8


def batches(dataset: Path, tokenizer: PreTrainedTokenizerBase, count: int) -> Batches:
    """Return so many inputs of train, spread evenly over it, labelled and in batches of similar length."""
    train = read_train(dataset, {})
    rows = sorted(train.select(spread(count, len(train))), key=lambda row: len(row["input_ids"]))
    collate = Collator(tokenizer)
    return [dict(collate(rows[start : start + BATCH_SIZE])) for start in range(0, len(rows), BATCH_SIZE)]
