"""A call from raw text to answer reads the tokens of the study, answers what the table scores, and holds the model's own time."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import corpora
from conftest import ROOT, TINY_CSV, make_encoder
from encoder_compression.data import tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.errors import UserError
from encoder_compression.measurement.text_calls import TextCalls
from encoder_compression.runtimes.workload import Workload

FILES = {"format": {"separator": ",", "header": True, "quoting": True}, "split": {"validation": 0.2, "test": 0.3}}
PAIR = {"columns": {"text": "first", "text_pair": "second", "label": "label"}, "max_length": 16}  # cuts most pairs
SQUAD = {
    "files": {"train": str(ROOT / "tests/data/tiny_squad.json")},
    "columns": {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"},
    "max_length": 24,  # a question has 6 tokens at most, and most contexts need several windows
    "stride": 4,
}


def prepare(folder: Path, encoder: Path, task: str, **options) -> Path:
    prepare_dataset(options=FILES | options, task=task, encoder=encoder, output=folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> dict[str, str]:
    """A table of pairs with a number from 0 to 1 in halves as label."""
    texts = pd.read_csv(TINY_CSV)["text"].tolist()
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    pd.DataFrame({"first": texts, "second": texts[::-1], "label": np.arange(len(texts)) % 3 / 2}).to_csv(path, index=False)
    return {"train": str(path)}


@pytest.fixture(scope="module")
def questions(tmp_path_factory, encoder) -> Path:
    return prepare(tmp_path_factory.mktemp("questions"), encoder, "question-answering", **SQUAD)


def calls(encoder: Path, dataset: Path) -> TextCalls:
    return TextCalls(encoder, dataset, "test", Workload(dataset))


def assert_same_tokens(encoder: Path, dataset: Path) -> None:
    texts, workload = calls(encoder, dataset), Workload(dataset)
    assert len(workload) >= 10
    for example in range(len(workload)):
        batch, expected = texts.calls.read(example)[0], workload.single(example)
        assert batch.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(batch[name], values)
            assert batch[name].dtype == values.dtype


def test_a_sentence_has_the_tokens_of_the_data_set(encoder, dataset):
    assert_same_tokens(encoder, dataset)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "deberta-v2"])
def test_a_pair_has_the_tokens_of_the_data_set_and_types_where_the_encoder_tells_texts_apart(tmp_path, pairs, architecture):
    encoder = make_encoder(tmp_path / "encoder", architecture)
    dataset = prepare(tmp_path, encoder, "regression", files=pairs, **PAIR)
    assert_same_tokens(encoder, dataset)
    assert ("token_type_ids" in calls(encoder, dataset).calls.read(0)[0]) == (architecture == "bert")
    assert (Workload(dataset).lengths == 16).any()


def test_a_question_has_the_windows_of_the_data_set_also_where_it_is_cut(encoder, questions):
    assert_same_tokens(encoder, questions)
    workload = Workload(questions)
    assert max(len(workload.single(example)["input_ids"]) for example in range(len(workload))) > 2
    asked = parquet.read_table(questions / "test.parquet", columns=["context_first"])["context_first"].to_numpy()
    assert asked.max() == 1 + 6 + 1  # [CLS], the question, [SEP]


def test_a_pair_answers_with_the_label_or_the_number_that_the_table_scores(tmp_path, encoder, pairs):
    logits = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    classes = prepare(tmp_path / "classes", encoder, "classification", files=pairs, **PAIR, threshold=0.4)
    numbers = prepare(tmp_path / "numbers", encoder, "regression", files=pairs, **PAIR)
    for dataset, outputs, expected_of in ((classes, 2, lambda answer: str(answer)), (numbers, 1, lambda answer: answer)):
        kind, texts = tasks.of_dataset(dataset), calls(encoder, dataset)
        rows = [row[:outputs] for row in logits[: len(Workload(dataset))]]
        expected = kind.decode(dataset, "test", rows)["prediction"]
        answers = [texts.calls.answer(row[None], None) for row in rows]
        assert answers == [expected_of(answer) for answer in expected]
        assert len(set(answers)) > 1


def test_a_question_answers_with_the_span_that_the_table_scores(encoder, questions):
    workload, texts, rng = Workload(questions), calls(encoder, questions), np.random.default_rng(0)
    logits = rng.normal(size=(len(workload.lengths), 2, 24)).astype(np.float32)
    expected = tasks.of_dataset(questions).decode(questions, "test", list(logits))["prediction"]
    ends = np.append(workload.first, len(workload.lengths))
    for example, answer in enumerate(expected):
        assert texts.calls.answer(logits[ends[example] : ends[example + 1]], texts.calls.read(example)[1]) == answer
    assert len(set(expected)) > len(expected) / 2


def waits(seconds: float):
    """Return a model that computes for so long and waits for as long again."""

    def run(batch):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        time.sleep(seconds)
        return np.zeros((1, 2), np.float32)

    return run


def test_a_whole_call_holds_the_models_own_by_both_clocks(encoder, dataset):
    timed = pd.DataFrame(calls(encoder, dataset).time(waits(0.01), [0, 1, 2, 0, 1])).median()
    assert timed["processor_ms"] == pytest.approx(10, abs=0.5)
    assert timed["latencies_ms"] > 19.9
    for of_model, whole in (("processor_ms", "end_to_end_processor_ms"), ("latencies_ms", "end_to_end_ms")):
        assert timed[whole] - timed[of_model] > 0.01
    assert timed["end_to_end_processor_ms"] - timed["processor_ms"] < 2  # a tokenizer takes no such time for a sentence


def test_a_tokenizer_that_gives_other_tokens_is_an_error_in_one_line(tmp_path, encoder, dataset):
    content = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))
    for entry in content["model"]["vocab"]:
        content["model"]["vocab"][entry] += 1
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="tokenizer.json: row 3 of .*test.parquet has other tokens by this tokenizer.*mislabelled") as error:
        calls(tmp_path, dataset).time(waits(0), [3])
    assert "\n" not in str(error.value)


def test_an_artifact_without_tokenizer_is_an_error(tmp_path, dataset):
    with pytest.raises(UserError, match="tokenizer.json: there is no such file"):
        calls(tmp_path, dataset)


def test_blocks_of_a_corpus_have_no_raw_text(tmp_path):
    encoder = corpora.make_encoder(tmp_path / "encoder")
    corpora.prepare(encoder, tmp_path / "dataset")
    assert not calls(encoder, tmp_path / "dataset")


def test_questions_that_were_prepared_before_the_stride_was_kept_are_timed_without_their_text(tmp_path, encoder, questions):
    shutil.copytree(questions, tmp_path / "dataset")
    description = json.loads((questions / "dataset.json").read_text(encoding="utf-8"))
    assert description.pop("stride") == 4
    (tmp_path / "dataset/dataset.json").write_text(json.dumps(description), encoding="utf-8")
    assert not calls(encoder, tmp_path / "dataset")
