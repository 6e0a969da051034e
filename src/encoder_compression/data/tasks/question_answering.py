"""The answer to a question as a span of a text, or that the text holds none (SQuAD; Rajpurkar et al. 2016, 2018)."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet
from tokenizers import Tokenizer

from encoder_compression.data import features
from encoder_compression.data.sources.batches import Table
from encoder_compression.data.spool import Faults, Rows, keys
from encoder_compression.data.tasks import sentences, spans, squad, windows
from encoder_compression.data.tasks.text_calls import QuestionCalls
from encoder_compression.errors import UserError

HUB_NAME = "question-answering"
UNIT = "question"
SHOWN = ("f1", "exact_match")
RIGHT, SLICED = "exact match", "answer"
SUSPECT = "the column of the answers (dataset.columns.answers)"
TARGETS = {"start_position": "start_positions", "end_position": "end_positions"}
ROLES = ("id", "question", "context", "answers", "group")
ONCE = False
SHOWN_OF_QUESTION = ["id", "group", "question", "context", "answers"]
PLACES = ("context_first", "token_starts", "token_ends")
CHUNK = 1000  # questions that are held as Python objects at a time
LONGEST_ANSWER = 30  # tokens, as in the official scripts of BERT


def clean(table: Table, split: str, options: dict, dropped: Counter) -> Iterator[pd.DataFrame]:
    """Yield id, question, context, answers (texts) and answer_start of the first; UserError where an answer is not at its place.

    Nothing is dropped: the official scores count every question. Questions on one text never come into two splits.
    """
    columns, faults, seen, hidden = options["columns"], Faults(f"questions of split '{split}' ({table.name})"), set(), True
    for batch in table.batches(columns[role] for role in ROLES):
        rows = pd.DataFrame({role: batch[columns[role]].to_numpy() for role in ROLES}, dtype=object)
        hidden &= rows["answers"].isna().all()
        rows["answers"] = [_read_answers(answers, split) for answers in rows["answers"]]
        rows = rows.assign(id=rows["id"].astype(str), question=sentences.stripped(rows["question"]), context=rows["context"].astype(str))
        ids = rows["id"]
        faults.add("the id of an earlier one", ids.duplicated() | ids.isin(seen), ids)
        faults.add("an empty question or context", rows["question"].eq("") | rows["context"].str.strip().eq(""), ids)
        faults.add("an answer that is not at its offset in the context", ~rows.apply(_has_answers_in_place, axis=1), ids)
        seen.update(ids)
        starts = [answers[0][1] if answers else 0 for answers in rows["answers"]]
        texts = [[text for text, _ in answers] for answers in rows["answers"]]
        rows = rows.assign(answers=texts, answer_start=starts, group=rows["group"].astype(str))
        yield rows.assign(source=rows["context"])
    if hidden:
        raise UserError(
            f"dataset: split '{split}' ({table.name}) has no answers in '{columns['answers']}', not even empty ones; name another"
        )
    faults.raise_first("mend them or take them out")


def _read_answers(answers, split: str) -> list[tuple[str, int]]:
    """Return (text, offset) of each answer from either form of SQuAD: lists by name as on the hub, or a list of answers.

    None, no answer, and answers without text, which some files put at -1, all say that the context does not tell.
    """
    try:
        if answers is None:
            return []
        if isinstance(answers, dict):
            answers = [dict(zip(answers, pair, strict=True)) for pair in zip(answers["text"], answers["answer_start"], strict=True)]
        pairs = [(answer["text"], answer["answer_start"]) for answer in answers]
        return [(str(text), int(start)) for text, start in pairs if text is not None and str(text).strip()]
    except (KeyError, TypeError, ValueError, IndexError):
        raise UserError(
            f"dataset: split '{split}' has answers such as {str(answers)[:60]!r}; give {{text: […], answer_start: […]}} in JSON lines, "
            "Parquet or SQuAD's own JSON"
        ) from None


def _has_answers_in_place(row: pd.Series) -> bool:
    return all(start >= 0 and row["context"][start : start + len(text)] == text for text, start in row["answers"])


def write(splits: dict[str, Rows], folder: Path, *, options: dict, head: list[str] | None, tokenizer, told_apart: bool) -> dict:
    """Write the windows of the splits, and their questions beside them; returns how they overlap and whether some have no answer."""
    facts = {"windows": {}, "unanswerable": False, "stride": options["stride"]}
    reading = {"tokenizer": tokenizer, "max_length": options["max_length"], "stride": options["stride"], "told_apart": told_apart}
    for name, rows in splits.items():
        questions = (pa.Table.from_pandas(batch[SHOWN_OF_QUESTION], preserve_index=False).replace_schema_metadata(None) for batch in rows)
        features.write_tables(questions, _questions(folder, name))
        facts["unanswerable"] |= any((batch["answers"].str.len() == 0).any() for batch in rows)
        facts["windows"][name] = features.write_tables(_windows(rows, **reading), folder / f"{name}.parquet")
    return facts


def _questions(folder: Path, split: str) -> Path:
    return Path(folder) / f"{split}_questions.parquet"


def _windows(rows: Rows, **reading) -> Iterator[pa.Table]:
    """Yield the windows of a thousand questions at a time, labelled with the tokens of the first answer."""
    for batch in rows:
        for first in range(0, len(batch), CHUNK):
            part = batch.iloc[first : first + CHUNK]
            windows_of_part = windows.cut(part["question"].tolist(), part["context"].tolist(), **reading)
            answers = [answers[0] if len(answers) else "" for answers in part["answers"]]
            starts, ends = windows.positions(windows_of_part, answer_starts=part["answer_start"].tolist(), answer_texts=answers)
            ids = part["id"].to_numpy()[windows_of_part.pop("example")]
            yield pa.table({"id": ids, **windows_of_part, "start_position": starts, "end_position": ends})


def head(description: dict) -> dict:
    """Return nothing: a start and an end need no more than the class says."""
    return {}


def reduce(logits):
    """Return the logits as they are."""
    return logits


def possible(logits: np.ndarray, row: dict) -> np.ndarray:
    """Return the logits [2, length] of a window, given with padding, with -inf where no answer can begin or end.

    It can in the context, and at the first token, which stands for no answer.
    """
    masked = np.full_like(logits[:, : len(row["input_ids"])], -np.inf)
    context = slice(row["context_first"], row["context_first"] + len(row["token_starts"]))
    masked[:, 0], masked[:, context] = logits[:, 0], logits[:, context]
    return masked


def question_keys(dataset: Path) -> dict[str, int]:
    """Return id -> a key of question and context of each question of train."""
    questions = parquet.read_table(_questions(dataset, "train"), columns=["id", "question", "context"]).to_pandas()
    return dict(zip(questions["id"], keys(sentences.join_texts([questions["question"], questions["context"]])).tolist(), strict=True))


def examples(dataset: Path, split: str) -> pd.DataFrame:
    """Return id, "group", context ("source") and 0 ("stratum") of each question of a prepared split."""
    questions = parquet.read_table(_questions(dataset, split), columns=["id", "group", "context"]).to_pandas()
    return questions.rename(columns={"context": "source"}).assign(stratum=0)


def decode(dataset: Path, split: str, logits: list) -> dict[str, list]:
    """Return the best span of each question over all its windows, and how much more likely "no answer" is; see `spans.decode`.

    ``logits`` [2, length] are those of the windows, in the split's order. "label" holds the texts of all answers.
    """
    questions = parquet.read_table(_questions(dataset, split)).to_pydict()
    table = features.read(dataset, split, "id", *PLACES)
    place = {identity: index for index, identity in enumerate(questions["id"])}
    example = [place[identity] for identity in table["id"].to_pylist()]
    answers = spans.decode(
        {"example": example, **{name: table[name].to_pylist() for name in PLACES}, "logits": logits},
        questions["context"],
        longest=LONGEST_ANSWER,
    )
    tokens = np.bincount(example, weights=compute.list_value_length(table["input_ids"]), minlength=len(place)).astype(int)
    names = {"id": questions["id"], "group": questions["group"], "label": questions["answers"]}
    return names | {"prediction": answers["answer"], "null_odds": answers["null_odds"], "tokens": tokens.tolist()}


def text_calls(dataset: Path, split: str, tokenizer: Tokenizer, description: dict) -> QuestionCalls | None:
    """Return calls that answer with a part of the context; None of a data set that was prepared before it kept its stride."""
    if "stride" not in description:
        return None
    questions = parquet.read_table(_questions(dataset, split), columns=["question", "context"])
    told_apart = "token_type_ids" in features.read(dataset, split).column_names
    cutting = {"max_length": description["max_length"], "stride": description["stride"], "told_apart": told_apart}
    return QuestionCalls(questions, tokenizer, longest=LONGEST_ANSWER, pad_token_id=description["pad_token_id"], **cutting)


def is_tuned(description: dict) -> bool:
    """Where some questions have no answer, validation says how likely that must be."""
    return description["unanswerable"]


def tune(predictions: dict, validation: dict, metric: str) -> tuple[dict, dict]:
    """Return the predictions with "" where the odds of no answer are over the threshold that is best on validation."""
    credit = CREDITS[metric]
    labels = validation["label"]
    with_answer, without_answer = credit(labels, validation["prediction"]), credit(labels, [""] * len(labels))
    threshold, _ = squad.best_threshold(np.array(validation["null_odds"]), with_answer, without_answer)
    pairs = zip(predictions["prediction"], predictions["null_odds"], strict=True)
    return predictions | {"prediction": ["" if odds > threshold else text for text, odds in pairs]}, {"null_threshold": threshold}


def is_constant(labels, predictions) -> bool:
    """Say whether every example gets the same prediction."""
    return len(set(predictions)) == 1


def best_constant(labels: list, metric: str, description: dict) -> tuple[float, str]:
    """Return the score of answering nothing: what the questions without an answer bring."""
    return float(np.mean(CREDITS[metric](labels, [""] * len(labels)))), "answering nothing"


def right(labels: list, predictions: list) -> np.ndarray:
    """Return which predictions equal an answer after normalization."""
    return CREDITS["exact_match"](labels, predictions) == 1


def kinds(labels: list, description: dict) -> dict[str, np.ndarray]:
    """Return which questions have a first answer of so many words, or none."""
    words = np.array([len(answers[0].split()) if len(answers) else 0 for answers in labels])
    bounds = {"no answer": (0, 0), "1 word": (1, 1), "2 words": (2, 2), "3–4 words": (3, 4), "5 words and more": (5, np.inf)}
    return {name: (words >= low) & (words <= high) for name, (low, high) in bounds.items()}


def _credits(credit: Callable, labels: list, predictions: list) -> np.ndarray:
    """Return the credit of each prediction; a data set that has a question without answer is counted as SQuAD 2.0 counts."""
    unanswerable = any(len(answers) == 0 for answers in labels)
    return np.array([credit(text, answers, unanswerable=unanswerable) for text, answers in zip(predictions, labels, strict=True)])


CREDITS = {"f1": partial(_credits, squad.f1), "exact_match": partial(_credits, squad.exact_match)}
SCORES: dict = {}
