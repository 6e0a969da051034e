"""Sentences per second of this project's training against a plain Trainer that pads every sentence to 128 tokens.

    make benchmark            (after make run, which fetches the encoder and the sentences)

Both train the encoder of the default study on the same sentences with the same threads and batch size, in turns, each
round anew. The figures of this project include its validation and its checkpoints; the plain Trainer has neither.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from pyarrow import parquet
from transformers import Trainer, TrainingArguments

from encoder_compression.encoders import encoder_facts
from encoder_compression.run import environment
from encoder_compression.training import objectives
from encoder_compression.training.examples import of_train
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal, train

OPTIONS = {"epochs": 1, "learning_rate": 5e-5, "warmup": 0.1, "weight_decay": 0.01, "patience": 1, "precision": "auto", "accumulation": 1}


WAYS = {
    "this project": lambda arguments, dataset, scratch: _ours(arguments, dataset, scratch),
    "plain, padded to 128": lambda arguments, dataset, scratch: _plain(arguments, dataset, scratch, bf16=False),
    "plain, padded to 128, bfloat16": lambda arguments, dataset, scratch: _plain(arguments, dataset, scratch, bf16=True),
}


def main() -> None:
    """Print one JSON object: sentences per second of each way, per round, and the ratio of medians."""
    arguments = _parse()
    if arguments.way:
        print(_time(arguments))
        return
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(arguments.rounds):
        for name in WAYS:
            found[name].append(round(_time_in_a_process(name), 1))
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratios = {name: round(medians["this project"] / median, 2) for name, median in medians.items()}
    print(json.dumps({"sentences_per_second": found, "ratio": ratios, "threads": arguments.threads} | environment.hardware(), indent=2))


def _time_in_a_process(way: str) -> float:
    """Time one way in a process of its own: accelerate keeps the first precision that a process asked for."""
    settings = os.environ | environment.PROCESS_SETTINGS
    command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True, env=settings)
    return float(done.stdout.splitlines()[-1])


def _time(arguments: argparse.Namespace) -> float:
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        dataset = _sample(arguments.experiment / "dataset", arguments.sentences, Path(scratch))
        return WAYS[arguments.way](arguments, dataset, Path(scratch))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", type=Path, default=Path("results/reviews"), help="folder with base/ and dataset/")
    parser.add_argument("--sentences", type=int, default=512, help="per round and way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--way", choices=WAYS, help="time only this way and print its figure")
    return parser.parse_args()


def _sample(dataset: Path, sentences: int, scratch: Path) -> Path:
    """Copy the data set with its first sentences only; validation keeps a few, since it is not what is timed."""
    folder = scratch / "dataset"
    folder.mkdir()
    shutil.copyfile(dataset / "dataset.json", folder / "dataset.json")
    for split, count in (("train", sentences), ("validation", 64)):
        parquet.write_table(parquet.read_table(dataset / f"{split}.parquet")[:count], folder / f"{split}.parquet")
    return folder


def _ours(arguments: argparse.Namespace, dataset: Path, scratch: Path) -> float:
    base = arguments.experiment / "base"
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="this project")
    _, facts = train(
        model=new_model(base, goal),
        tokenizer=encoder_facts.load_tokenizer(base),
        goal=goal,
        options=OPTIONS | {"batch_size": arguments.batch_size},
        objective=objectives.from_labels,
        checkpoints=scratch / "checkpoints",
        examples=of_train(goal.dataset, goal.seed),
        ramp=None,
    )
    shutil.rmtree(scratch / "checkpoints")
    return arguments.sentences / facts["training_seconds"]


def _plain(arguments: argparse.Namespace, dataset: Path, scratch: Path, *, bf16: bool) -> float:
    """Train as the tutorials do: tokenized with padding to a maximum, shuffled."""
    base = arguments.experiment / "base"
    tokenizer = encoder_facts.load_tokenizer(base)
    rows = parquet.read_table(dataset / "train.parquet", columns=["text", "label"]).to_pydict()
    features = tokenizer(rows["text"], padding="max_length", truncation=True, max_length=128)
    trainer = Trainer(
        model=new_model(base, Goal(dataset=dataset, metric="accuracy", seed=1, name="plain")),
        args=TrainingArguments(
            output_dir=str(scratch / "plain"),
            num_train_epochs=1,
            per_device_train_batch_size=arguments.batch_size,
            save_strategy="no",
            report_to=[],
            use_cpu=not torch.cuda.is_available(),
            bf16=bf16,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(dict(features) | {"labels": rows["label"]}),
    )
    return trainer.train().metrics["train_samples_per_second"]


if __name__ == "__main__":
    main()
