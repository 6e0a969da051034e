"""Seconds and peak memory of preparing a CSV of so many short texts, each size in a process of its own.

    python benchmarks/preparation.py --encoder FOLDER --rows 100000 1000000 3000000

The folder holds an encoder and its tokenizer (results/reviews/base of the default study will do). The texts are drawn from
words of its vocabulary, about 165 characters each, all different. Memory should not grow with the rows.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from encoder_compression.run import environment

OPTIONS = {"format": {}, "columns": {"text": "text", "label": "label"}, "split": {"validation": 0.1, "test": 0.15}, "max_length": 128}
CHARACTERS = 165


def main() -> None:
    """Print one JSON object: per number of rows the seconds, processor seconds, peak memory and rows of each split."""
    arguments = _parse()
    if arguments.prepare:
        print(json.dumps(_prepare(arguments.encoder, arguments.prepare)))
        return
    sizes = {}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for rows in arguments.rows:
            table = Path(folder) / f"{rows}.csv"
            _write_table(table, rows, _words(arguments.encoder))
            command = [sys.executable, __file__, "--encoder", str(arguments.encoder), "--prepare", str(table)]
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", check=True, env=os.environ | {"TOKENIZERS_PARALLELISM": "true"}
            )
            sizes[rows] = {"table_mb": round(table.stat().st_size / 1e6)} | json.loads(done.stdout.splitlines()[-1])
            table.unlink()
    print(json.dumps(sizes | environment.hardware(), indent=2))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, required=True, help="folder with an encoder and its tokenizer")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--scratch", type=Path, help="where tables and results lie meanwhile, on a disk and not in memory")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)  # the child's own job: this table
    return parser.parse_args()


def _words(encoder: Path) -> list[str]:
    """Return the whole words of the encoder's vocabulary, in alphabetical order."""
    from encoder_compression.encoders.encoder_facts import load_tokenizer

    return sorted(word for word in load_tokenizer(encoder).get_vocab() if word.isalpha() and word.isascii())


def _write_table(path: Path, rows: int, words: list[str]) -> None:
    draw = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            text = f"{number} "
            while len(text) < CHARACTERS:
                text += draw.choice(words) + " "
            writer.writerow([text, draw.choice(("negative", "positive"))])


def _prepare(encoder: Path, table: Path) -> dict:
    """Prepare a table in this process; returns what it took, the import of the libraries included."""
    start = time.monotonic()
    from encoder_compression.data.dataset import prepare_dataset

    facts = prepare_dataset(
        options=OPTIONS | {"files": {"train": str(table)}}, task="classification", encoder=encoder, output=table.with_suffix(".prepared")
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.monotonic() - start, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
        "rows": facts["rows"],
    }


if __name__ == "__main__":
    main()
