"""Questions and answers are read as they are written: no answer in any form, flags as text, articles without titles, ids with zeros."""

import json

import pandas as pd
import pytest
from test_question_answering import COLUMNS, TINY, prepare, questions

from conftest import make_encoder
from encoder_compression.errors import UserError


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("base"), positions=80)


NOTHING = [{"text": [""], "answer_start": [-1]}, {"text": [], "answer_start": []}, {"text": ["  "], "answer_start": [0]}, [], None]


@pytest.mark.parametrize("nothing", NOTHING, ids=["empty at -1", "empty lists", "blank", "no dict", "null"])
def test_every_way_to_write_no_answer_is_one_and_the_questions_count_as_unanswerable(tmp_path, base, nothing):
    table = questions()
    table["answers"] = [nothing if number % 3 == 0 else answers for number, answers in enumerate(table["answers"])]
    table.to_json(tmp_path / "table.jsonl", orient="records", lines=True)
    described = prepare(tmp_path / "data", base, tmp_path / "table.jsonl")
    assert described["unanswerable"]
    rows = pd.concat(pd.read_parquet(tmp_path / "data" / f"{split}_questions.parquet") for split in ("train", "validation", "test"))
    assert sorted(rows["id"][rows["answers"].str.len() == 0]) == sorted(table["id"][::3])


@pytest.mark.parametrize(("flag", "answered"), [("False", True), ("false", True), (0, True), (None, True), ("True", False), (1, False)])
def test_is_impossible_says_what_it_means_however_it_is_written(tmp_path, base, flag, answered):
    content = json.loads(TINY.read_text(encoding="utf-8"))
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                question["is_impossible"] = flag
    (tmp_path / "table.json").write_text(json.dumps(content), encoding="utf-8")
    assert prepare(tmp_path / "data", base, tmp_path / "table.json")["unanswerable"] is not answered


def test_a_flag_that_is_neither_true_nor_false_is_told(tmp_path, base):
    content = json.loads(TINY.read_text(encoding="utf-8"))
    content["data"][0]["paragraphs"][0]["qas"][0]["is_impossible"] = "perhaps"
    (tmp_path / "table.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="table.json: the table cannot be read: is_impossible is 'perhaps'; write true or false"):
        prepare(tmp_path / "data", base, tmp_path / "table.json")


def test_articles_without_titles_are_grouped_by_their_contexts_and_ids_stay_as_they_are_written(tmp_path, base):
    content = json.loads(TINY.read_text(encoding="utf-8"))
    for article in content["data"]:
        del article["title"]
    for number, question in enumerate(q for article in content["data"] for paragraph in article["paragraphs"] for q in paragraph["qas"]):
        question["id"] = f"{number:06}"
    (tmp_path / "table.json").write_text(json.dumps(content), encoding="utf-8")
    prepare(tmp_path / "data", base, tmp_path / "table.json", columns=COLUMNS | {"group": "context"})
    rows = pd.concat(pd.read_parquet(tmp_path / "data" / f"{split}_questions.parquet") for split in ("train", "validation", "test"))
    assert sorted(rows["id"]) == [f"{number:06}" for number in range(len(rows))]
    assert (rows["group"] == rows["context"]).all()
