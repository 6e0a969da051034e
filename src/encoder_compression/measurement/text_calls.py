"""End-to-end latency: a raw text in, an answer out, with the model's own share of the same call."""

import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from encoder_compression.data import tasks
from encoder_compression.errors import UserError
from encoder_compression.runtimes.workload import Batch, Workload

TOKENIZER = "tokenizer.json"


class TextCalls:
    """The examples of a split as a user has them, and the artifact's own tokenizer, with which the model is called.

    ``workload`` holds the same examples as tokens. Load it before memory is measured: the tokenizer's is not the model's.
    """

    def __init__(self, artifact: Path, dataset: Path, split: str, workload: Workload):
        self.file, self.prepared = Path(artifact) / TOKENIZER, f"{dataset}/{split}.parquet"
        self.workload = workload
        task = tasks.of_dataset(dataset)
        self.calls = task.text_calls(dataset, split, self._tokenizer(), tasks.describe(dataset))

    def _tokenizer(self) -> Tokenizer:
        if not self.file.exists():
            raise UserError(f"{self.file}: there is no such file, so no raw text can be read; delete the folder and run the workflow again")
        return Tokenizer.from_file(str(self.file))

    def __bool__(self) -> bool:
        """Say whether there are raw texts: blocks of a corpus have none."""
        return self.calls is not None

    def time(self, runtime, examples: list[int]) -> list[dict[str, float]]:
        """Time calls with examples one by one; returns for each the milliseconds of the model and of the whole call, by both clocks.

        UserError where the tokenizer gives other tokens than the data set holds.
        """
        timed, batches = zip(*(self._call(runtime, example) for example in examples), strict=True)
        for example, batch in zip(examples, batches, strict=True):  # afterwards, as work between calls would cool the caches
            self._require_same(example, batch)
        return list(timed)

    def _call(self, runtime, example: int) -> tuple[dict[str, float], Batch]:
        start = _clocks()
        batch, rest = self.calls.read(example)
        before = _clocks()
        logits = runtime(batch)
        after = _clocks()
        self.calls.answer(logits, rest)
        end = _clocks()
        of_model, of_call = _passed(before, after), _passed(start, end)
        return of_model | {"end_to_end_ms": of_call["latencies_ms"], "end_to_end_processor_ms": of_call["processor_ms"]}, batch

    def _require_same(self, example: int, batch: Batch) -> None:
        expected = self.workload.single(example)
        if batch.keys() != expected.keys() or not all(np.array_equal(batch[name], expected[name]) for name in expected):
            raise UserError(
                f"{self.file}: row {example} of {self.prepared} has other tokens by this tokenizer, and the row would be mislabelled; "
                "delete the artifact's folder and run the workflow again"
            )


def _clocks() -> tuple[float, float]:
    """Return the seconds on the wall and those that this process's threads have computed."""
    return time.perf_counter(), time.process_time()


def _passed(start: tuple[float, float], end: tuple[float, float]) -> dict[str, float]:
    return {name: 1000 * (later - earlier) for name, earlier, later in zip(("latencies_ms", "processor_ms"), start, end, strict=True)}
