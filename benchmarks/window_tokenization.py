"""Questions per second of cutting contexts into windows, against the tokenizer's own windows.

    python benchmarks/window_tokenization.py --tokenizer FOLDER --questions TABLE.parquet

The folder holds a fast tokenizer's files (one of an encoder that `make run` fetched will do); the table has the columns
question and context, such as a split of SQuAD. Both ways cut the same chunks in turns, each round anew.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from pyarrow import parquet

from encoder_compression.data.tasks import windows
from encoder_compression.run import environment

WAYS = {"this project": windows.cut, "the tokenizer itself": lambda *texts, **options: _plain(*texts, **options)}


def main() -> None:
    """Print one JSON object: questions per second of each way, per round, and the ratio of medians."""
    arguments = _parse()
    # Read when the tokenizer first works.
    os.environ |= {"TOKENIZERS_PARALLELISM": str(arguments.threads > 1).lower(), "RAYON_NUM_THREADS": str(arguments.threads)}
    tokenizer = _load(arguments)
    table = parquet.read_table(arguments.questions, columns=["question", "context"]).to_pydict()
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(arguments.rounds):
        for name, way in WAYS.items():
            found[name].append(round(len(table["question"]) / _time(way, table, tokenizer, arguments)))
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratios = {name: round(medians["this project"] / median, 2) for name, median in medians.items()}
    print(json.dumps({"questions_per_second": found, "ratio": ratios, "threads": arguments.threads} | environment.hardware(), indent=2))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with a tokenizer's files")
    parser.add_argument("--tokenizer-class", default="AutoTokenizer", help="of transformers, where the folder has no config.json")
    parser.add_argument("--questions", type=Path, required=True, help="Parquet table with the columns question and context")
    parser.add_argument("--chunk", type=int, default=1000, help="questions at once")
    parser.add_argument("--max-length", type=int, default=384)
    parser.add_argument("--stride", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _load(arguments: argparse.Namespace):
    import transformers

    return getattr(transformers, arguments.tokenizer_class).from_pretrained(arguments.tokenizer, local_files_only=True)


def _time(way, table: dict, tokenizer, arguments: argparse.Namespace) -> float:
    """Return the seconds that one way takes for the whole table, chunk by chunk."""
    shape = {"max_length": arguments.max_length, "stride": arguments.stride}
    told_apart = "token_type_ids" in tokenizer.model_input_names
    began = time.perf_counter()
    for begin in range(0, len(table["question"]), arguments.chunk):
        texts = (table[name][begin : begin + arguments.chunk] for name in ("question", "context"))
        way(*texts, tokenizer=tokenizer, told_apart=told_apart, **shape)
    return time.perf_counter() - began


def _plain(questions: list[str], contexts: list[str], *, tokenizer, max_length: int, stride: int, told_apart: bool):
    """Cut as the tutorials do: every context tokenized anew for each of its questions."""
    return tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=told_apart,
    )


if __name__ == "__main__":
    main()
