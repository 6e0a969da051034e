"""Processor time from one raw sentence to the arrays that a model reads, for each way to ask a tokenizer.

    python benchmarks/sentence_tokenization.py --artifact FOLDER --texts TABLE.parquet

The folder holds a tokenizer.json, such as an artifact of a study; the table has the column text, such as the study's
dataset/test.parquet. The ways take turns on the same 40 sentences in each round, and another one begins each time.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pyarrow import parquet
from tokenizers import Encoding, Tokenizer

from encoder_compression.run import environment

CALLS = 40  # of each way in a round
Way = Callable[[str], dict[str, np.ndarray]]


def main() -> None:
    """Print one JSON object: median microseconds of each way, and the processor."""
    arguments = _parse()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as in measured processes
    texts = parquet.read_table(arguments.texts, columns=["text"])["text"].to_pylist()
    order = np.random.default_rng(0).permutation(len(texts))
    ways = _ways(arguments.artifact, arguments.max_length)
    microseconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds):
        chosen = [texts[order[(number * CALLS + call) % len(texts)]] for call in range(CALLS)]
        names = list(ways)
        first = number % len(names)
        for name in names[first:] + names[:first]:
            microseconds[name] += _time(ways[name], chosen)
    medians = {name: round(float(np.median(times)), 1) for name, times in microseconds.items()}
    print(json.dumps({"microseconds": medians, "calls": arguments.rounds * CALLS} | environment.hardware(), indent=2))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=Path, required=True, help="folder with a tokenizer.json")
    parser.add_argument("--texts", type=Path, required=True, help="Parquet table with the column text")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=12)
    return parser.parse_args()


def _ways(artifact: Path, longest: int) -> dict[str, Way]:
    """Return the ways by name, each with a tokenizer of its own."""
    from transformers import AutoTokenizer

    of_transformers = AutoTokenizer.from_pretrained(artifact, local_files_only=True)
    cut, padded, whole = (Tokenizer.from_file(str(artifact / "tokenizer.json")) for _ in range(3))
    for tokenizer in (cut, padded, whole):
        tokenizer.no_padding()
        tokenizer.enable_truncation(longest, strategy="longest_first")
    padded.enable_padding()
    whole.no_truncation()
    return {
        "transformers": lambda text: dict(of_transformers(text, truncation=True, max_length=longest, return_tensors="np")),
        "encode": lambda text: _arrays(cut.encode(text)),
        "encode_batch": lambda text: _arrays(cut.encode_batch([text])[0]),
        "encode_batch_fast, padding on": lambda text: _arrays(padded.encode_batch_fast([text])[0]),
        "encode_batch_fast, no truncation": lambda text: _arrays(whole.encode_batch_fast([text])[0]),
        "encode_batch_fast": lambda text: _arrays(cut.encode_batch_fast([text])[0]),
    }


def _arrays(encoding: Encoding) -> dict[str, np.ndarray]:
    ids = np.array([encoding.ids], dtype=np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _time(way: Way, texts: list[str]) -> list[float]:
    """Return the microseconds that this thread computed for each text, after a first call that does not count."""
    way(texts[0])
    times = []
    for text in texts:
        began = time.thread_time_ns()
        way(text)
        times.append((time.thread_time_ns() - began) / 1000)
    return times


if __name__ == "__main__":
    main()
