"""How much of the machine's peak in matrix products a distillation on a corpus uses (model FLOPs utilisation).

    make utilisation            (after make run, which fetches the vocabulary)

A student of six layers of BERT-base's shape learns from its teacher of twelve, both with random weights, on full blocks of random
tokens, by the very loop that trains in a study: MLM masks drawn anew, both forward passes, the way back, the optimizer. The operations of
a step are counted by torch as it runs, and the peak is the best that torch reaches in large square products on as many threads.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForMaskedLM

from encoder_compression.data.tasks import mlm_masking
from encoder_compression.encoders import encoder_facts
from encoder_compression.run import environment
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.mlm_masks import DynamicMlmMasks
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.train import Goal, train
from encoder_compression.training.trainer import Collator

SHAPE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
LOSS = {"hard": 0.5, "soft": 0.5, "hidden": 0.1, "relation": 0}
SIDES = (2048, 4096)  # of the square products that tell the peak


def main() -> None:
    """Print one JSON object: tokens per second, operations per token, the peak, and the share of it that is used."""
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    tokenizer = encoder_facts.load_tokenizer(arguments.encoder)
    teacher, student, layers = _models(arguments)
    objective = Distillation(weights=LOSS, temperature=2, teacher=teacher)
    with tempfile.TemporaryDirectory() as folder:
        dataset = _blocks(Path(folder) / "dataset", tokenizer, arguments)
        operations = _operations_per_token(objective, student, dataset, tokenizer, arguments.batch_size)
        peaks = [_peak(arguments.precision)]
        speed = _tokens_per_second(student, objective, tokenizer, dataset, Path(folder), arguments)
        peaks.append(_peak(arguments.precision))
    found = {
        "tokens_per_second": round(speed),
        "operations_per_token": round(operations),
        "peak_tflops_before_and_after": [round(peak / 1e12, 3) for peak in peaks],
        "utilisation": round(speed * operations / max(peaks), 3),
    }
    print(json.dumps(found | vars(arguments) | {"layers": layers} | environment.hardware(), indent=2, default=str))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, default=Path("results/reviews/base"), help="folder with a tokenizer and a config")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def _models(arguments: argparse.Namespace) -> tuple[torch.nn.Module, torch.nn.Module, list[int]]:
    """Return a random teacher, a student of every other layer, and which layers these are."""
    torch.manual_seed(0)
    teacher = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(arguments.encoder, **SHAPE))
    student, layers = take_layers(teacher, "even", 6)
    width = teacher.config.hidden_size
    student.hidden_matcher = teacher.HiddenStateMatcher(student_width=width, teacher_width=width, layer_map=layers)
    return teacher, student, layers


def _blocks(folder: Path, tokenizer, arguments: argparse.Namespace) -> Path:
    """Write random blocks as a prepared corpus: enough for the steps of one epoch, and a batch to validate on."""
    folder.mkdir()
    rule = mlm_masking.for_tokenizer(tokenizer, share=0.15, whole_words=False)
    description = {"task": "masked-language-modelling", "masking": asdict(rule)}
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    generator = np.random.default_rng(0)
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    for split, count in (("train", arguments.batch_size * arguments.steps), ("validation", arguments.batch_size)):
        ids = generator.choice(ordinary, (count, arguments.length))
        pairs = [rule.apply(row, None, generator) for row in ids]
        masked, labels = (list(column) for column in zip(*pairs, strict=True))
        columns = {"input_ids": list(ids)} if split == "train" else {"input_ids": masked, "labels": labels}
        names = [f"{split}-{index}" for index in range(count)]
        parquet.write_table(pa.table({"id": names, "group": names, **columns}), folder / f"{split}.parquet")
    return folder


def _operations_per_token(objective: Distillation, student: torch.nn.Module, dataset: Path, tokenizer, batch_size: int) -> float:
    """Return the floating-point operations of a step, a product and a sum being two, for each token of its blocks."""
    blocks = DynamicMlmMasks(dataset, seed=0)
    batch = Collator(tokenizer)([blocks[index] for index in range(batch_size)])
    tokens = batch["input_ids"].numel()
    counter = FlopCounterMode(display=False)
    with counter:
        sum(objective(student, batch).values()).backward()
    student.zero_grad()
    return counter.get_total_flops() / tokens


def _peak(precision: str) -> float:
    """Return the operations per second of the fastest large product."""
    return max(_product_rate(side, getattr(torch, precision)) for side in SIDES)


def _product_rate(side: int, kind: torch.dtype) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    one, other = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        one @ other
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def _tokens_per_second(student, objective, tokenizer, dataset: Path, folder: Path, arguments: argparse.Namespace) -> float:
    """Return the median over the intervals between log entries, without the first, in which libraries start."""
    options = {"steps": arguments.steps, "learning_rate": 1e-4, "batch_size": arguments.batch_size, "precision": arguments.precision}
    history, _ = train(
        model=student,
        tokenizer=tokenizer,
        goal=Goal(dataset=dataset, metric="masked_accuracy", seed=1, name="utilisation"),
        options=options | {"accumulation": 1, "warmup": 0.1, "weight_decay": 0.01, "patience": 1},
        objective=objective,
        checkpoints=folder / "checkpoints",
        examples=DynamicMlmMasks(dataset, seed=1),
        ramp=None,
    )
    return statistics.median([entry["tokens_per_second"] for entry in history if "tokens_per_second" in entry][1:])


if __name__ == "__main__":
    main()
