"""What a call does around the model: from a raw text to what the encoder reads, and from logits to an answer.

It needs the tokenizers library alone, and gives the very tokens of the prepared data set. Without padding, and without offsets where
no answer needs them (``encode_batch_fast``), it takes three fifths of the time of transformers' own call.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from tokenizers import Tokenizer

from encoder_compression.data import features
from encoder_compression.data.tasks import sentences, spans, windows

Batch = dict[str, np.ndarray]  # input_ids, attention_mask and perhaps token_type_ids, each int64 [inputs, length]


class SentenceCalls:
    """Calls with one text or a pair of texts; ``answer_of`` makes the answer of logits [outputs].

    ``tokenizer`` is the artifact's own; from now on it cuts after ``max_length`` tokens.
    """

    def __init__(self, dataset: Path, split: str, tokenizer: Tokenizer, *, max_length: int, answer_of: Callable[[np.ndarray], str | float]):
        file = Path(dataset) / f"{split}.parquet"
        names = parquet.read_schema(file).names
        table = parquet.read_table(file, columns=[role for role in sentences.TEXTS if role in names])
        columns = [column.to_pylist() for column in table.columns]
        self.texts = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        self.told_apart = features.INPUTS[1] in names
        self.answer_of, self.tokenizer = answer_of, tokenizer
        sentences.cut_at(tokenizer, max_length)

    def read(self, example: int) -> tuple[Batch, None]:
        """Return what the encoder reads of an example; the answer needs nothing else of it."""
        (encoding,) = self.tokenizer.encode_batch_fast([self.texts[example]])
        ids = np.array([encoding.ids], dtype=np.int64)
        batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return batch | {"token_type_ids": np.array([encoding.type_ids], dtype=np.int64)} if self.told_apart else batch, None

    def answer(self, logits: np.ndarray, rest: None) -> str | float:
        """Return the label or the number that logits [1, outputs] stand for."""
        return self.answer_of(logits[0])


class QuestionCalls:
    """Calls with a question and its context, in windows as `windows.cut` makes them; an answer has ``longest`` tokens at most.

    ``questions`` has the columns "question" and "context"; ``tokenizer`` is the artifact's own.
    """

    def __init__(
        self, questions: pa.Table, tokenizer: Tokenizer, *, max_length: int, stride: int, told_apart: bool, longest: int, pad_token_id: int
    ):
        self.questions, self.contexts = (questions[name].to_pylist() for name in ("question", "context"))
        self.frame = windows.frame_of(tokenizer, told_apart)
        self.tokenizer, self.told_apart, self.longest, self.pad_token_id = tokenizer, told_apart, longest, pad_token_id
        self.cutting = {"max_length": max_length, "stride": stride}
        self.longest_question = max_length // windows.QUESTION_SHARE

    def read(self, example: int) -> tuple[Batch, tuple[list[dict], str]]:
        """Return what the encoder reads of an example, with padding behind the shorter windows, and its windows and context."""
        context = self.contexts[example]
        (question,) = self.tokenizer.encode_batch_fast([self.questions[example]], add_special_tokens=False)
        passage = self.tokenizer.encode(context, add_special_tokens=False)
        starts, ends = np.array(passage.offsets, dtype=np.int32).reshape(-1, 2).T
        asked = np.array(question.ids[: self.longest_question], dtype=np.int32)
        pieces = np.array(passage.ids, dtype=np.int32), starts, ends
        read = list(windows.of_question(self.frame, asked, pieces, **self.cutting))
        return self._batch(read), (read, context)

    def _batch(self, read: list[dict]) -> Batch:
        shape = len(read), max(len(window["input_ids"]) for window in read)
        batch = {"input_ids": np.full(shape, self.pad_token_id, np.int64), "attention_mask": np.zeros(shape, np.int64)}
        batch |= {"token_type_ids": np.zeros(shape, np.int64)} if self.told_apart else {}
        for row, window in enumerate(read):
            length = len(window["input_ids"])
            batch["attention_mask"][row, :length] = 1
            for name in batch.keys() & window.keys():
                batch[name][row, :length] = window[name]
        return batch

    def answer(self, logits: np.ndarray, rest: tuple[list[dict], str]) -> str:
        """Return the part of the context that logits [windows, 2, length] point at."""
        read, context = rest
        columns = {name: [window[name] for window in read] for name in ("context_first", "token_starts", "token_ends")}
        return spans.decode({"example": [0] * len(read), "logits": logits, **columns}, [context], longest=self.longest)["answer"][0]
