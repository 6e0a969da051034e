"""Training on random blocks, and the share of a machine's peak in matrix products that it uses; for scripts beside this one."""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data.tasks import mlm_masking
from encoder_compression.training.mlm_masks import DynamicMlmMasks
from encoder_compression.training.objectives import Objective
from encoder_compression.training.train import Goal, train
from encoder_compression.training.trainer import Collator

BERT_BASE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
RUNS = 6  # of each matrix product that tells the peak; the fastest counts


def write_blocks(folder: Path, tokenizer: PreTrainedTokenizerBase, *, batch_size: int, length: int, steps: int) -> Path:
    """Write blocks of random tokens as a prepared corpus: enough for the steps of one epoch, and a batch to validate on."""
    folder.mkdir()
    rule = mlm_masking.for_tokenizer(tokenizer, share=0.15, whole_words=False)
    description = {"task": "masked-language-modelling", "masking": asdict(rule)}
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    generator = np.random.default_rng(0)
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    for split, count in (("train", batch_size * steps), ("validation", batch_size)):
        ids = generator.choice(ordinary, (count, length))
        pairs = [rule.apply(row, None, generator) for row in ids]
        masked, labels = (list(column) for column in zip(*pairs, strict=True))
        columns = {"input_ids": list(ids)} if split == "train" else {"input_ids": masked, "labels": labels}
        names = [f"{split}-{index}" for index in range(count)]
        parquet.write_table(pa.table({"id": names, "group": names, **columns}), folder / f"{split}.parquet")
    return folder


def operations_per_token(
    objective: Objective, model: PreTrainedModel, dataset: Path, tokenizer: PreTrainedTokenizerBase, batch_size: int
) -> float:
    """Return the floating-point operations of a training step per token of its blocks, a product and a sum being two."""
    blocks = DynamicMlmMasks(dataset, seed=0)
    batch = Collator(tokenizer)([blocks[index] for index in range(batch_size)])
    batch = {name: values.to(model.device) for name, values in batch.items()}
    counter = FlopCounterMode(display=False)
    with counter:
        sum(objective(model, batch).values()).backward()
    model.zero_grad()
    return counter.get_total_flops() / batch["input_ids"].numel()


def train_on_blocks(
    model: PreTrainedModel,
    objective: Objective,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Path,
    checkpoints: Path,
    *,
    batch_size: int,
    steps: int,
    precision: str,
) -> list[dict]:
    """Train a model in place, as a study would, with MLM masks drawn anew; returns the Trainer's log history."""
    options = {"steps": steps, "batch_size": batch_size, "precision": precision, "learning_rate": 1e-4}
    history, _ = train(
        model=model,
        tokenizer=tokenizer,
        goal=Goal(dataset=dataset, metric="masked_accuracy", seed=1, name="random blocks"),
        options=options | {"accumulation": 1, "warmup": 0.1, "weight_decay": 0.01, "patience": 1},
        objective=objective,
        checkpoints=checkpoints,
        examples=DynamicMlmMasks(dataset, seed=1),
        ramp=None,
    )
    return history


def tokens_per_second(history: list[dict]) -> float:
    """Return the median over the intervals between log entries, without the first, in which libraries start."""
    return statistics.median([entry["tokens_per_second"] for entry in history if "tokens_per_second" in entry][1:])


def peak(precision: str, sides: Sequence[int]) -> float:
    """Return the floating-point operations per second of the fastest product of two square matrices, on CUDA where torch finds it."""
    return max(_product_rate(side, getattr(torch, precision)) for side in sides)


def _product_rate(side: int, kind: torch.dtype) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(RUNS):
        _wait(device)
        start = time.perf_counter()
        left @ right
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def _wait(device: str) -> None:
    """Return once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
