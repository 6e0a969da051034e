"""A file is looked at as its owner would describe it: encoding, separator, columns, task, lengths; what cannot make a study is one line."""

import json

import pandas as pd
import pytest

from encoder_compression.contract.look import look
from encoder_compression.data.sources.formats import open_table
from encoder_compression.errors import UserError

NOTHING = {"text": None, "text_pair": None, "label": None, "task": None}
GOOD, BAD = "a fine film, to be seen again", "not worth the time; too long"


def write(folder, name: str, header: str, row, count: int = 240, encoding: str = "utf-8") -> str:
    path = folder / name
    path.write_text("\n".join([header, *(row(number) for number in range(count))]) + "\n", encoding=encoding)
    return path


def reviews(number: int) -> str:
    return f'{number},"{GOOD if number % 3 else BAD} {number}",{"pos" if number % 3 else "neg"},{number % 7}'


def test_a_table_is_described_as_it_is(tmp_path):
    seen = look(write(tmp_path, "reviews.csv", "id,review_text,Sentiment,day", reviews), **NOTHING)
    assert seen.roles.task == "classification"
    assert seen.roles.columns == {"text": "review_text", "label": "Sentiment"}
    assert seen.format == {"separator": ","}
    assert seen.facts["rows"] == 240
    assert seen.facts["labels"] == "2 classes, pos: 160, neg: 80"
    assert seen.facts["words"][0] == 8
    assert seen.max_length == 64


def test_named_columns_and_task_are_taken_as_they_are(tmp_path):
    path = write(tmp_path, "reviews.csv", "id,review_text,Sentiment,day", reviews)
    seen = look(path, **NOTHING | {"label": "day", "task": "regression"})
    assert seen.roles.columns == {"text": "review_text", "label": "day"}
    assert seen.roles.task == "regression"
    with pytest.raises(UserError, match="has no column 'sentiment' for --label; did you mean 'Sentiment'"):
        look(path, **NOTHING | {"label": "sentiment"})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_those_with_which_the_reader_gets_the_texts(tmp_path, separator, encoding):
    def row(number):
        return f'"Die Küche, der Preis; alles {number}"{separator}{number % 2}'

    path = write(tmp_path, "reviews.csv", f"text{separator}label", row, encoding=encoding)
    seen = look(path, **NOTHING)
    table = open_table("reviews", lambda: path.open("rb"), ".csv", seen.format, [])
    assert next(table.batches(["text"]))["text"][3] == "Die Küche, der Preis; alles 3"
    assert seen.facts["labels"] == "2 classes, 0: 120, 1: 120"


def test_two_encodings_in_one_file_are_refused_with_both_lines(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes(b"text,label\n" + "schön,1\n".encode() * 100 + "schön,0\n".encode("cp1252") * 200)
    with pytest.raises(UserError, match=r"mixed.csv, line 102: it is no UTF-8, but line 2 is; save the whole file in UTF-8$"):
        look(path, **NOTHING)


@pytest.mark.parametrize(
    ("header", "row", "task", "columns"),
    [
        (
            "premise,hypothesis,label",
            lambda n: f"a man {n},a person,{n % 3}",
            "classification",
            {"text": "premise", "text_pair": "hypothesis"},
        ),
        (
            "sentence1,sentence2,score",
            lambda n: f"a man {n},a person,{n / 100}",
            "regression",
            {"text": "sentence1", "text_pair": "sentence2"},
        ),
        ("text,stars", lambda n: f"a man {n},{1 + n % 5}", "classification", {"text": "text"}),
        ("text,score", lambda n: f"a man {n},{n % 50}", "regression", {"text": "text"}),
        ("what,which", lambda n: f"a man {n},{'yes' if n % 2 else 'no'}", "classification", {"text": "what"}),
    ],
)
def test_columns_and_labels_make_the_task(tmp_path, header, row, task, columns):
    seen = look(write(tmp_path, "table.csv", header, row), **NOTHING)
    assert seen.roles.task == task
    assert seen.roles.columns == columns | {"label": header.rpartition(",")[2]}


def test_questions_on_texts_are_known_by_their_columns(tmp_path):
    path = tmp_path / "questions.jsonl"
    question = {"id": "1", "question": "Who came?", "context": "Ann came.", "answers": {"text": ["Ann"], "answer_start": [0]}}
    path.write_text("".join(json.dumps(question | {"id": str(number)}) + "\n" for number in range(200)), encoding="utf-8")
    assert look(path, **NOTHING).roles.task == "question-answering"


def test_repeated_and_empty_texts_are_counted(tmp_path):
    rows = [[f"text {number}", number % 2] for number in range(200)] + [["text 1", 1]] * 3 + [[None, 1], ["  ", 0]]
    pd.DataFrame(rows, columns=["text", "label"]).to_parquet(tmp_path / "table.parquet")
    seen = look(tmp_path / "table.parquet", **NOTHING)
    assert (seen.facts["repeated"], seen.facts["empty"]) == (3, 2)
    assert list(seen.lines())[-1] == "  left out: 3 repeated texts, 2 without text"


@pytest.mark.parametrize(
    ("header", "row", "count", "message"),
    [
        (
            "text,label",
            lambda n: f"text {n},yes",
            300,
            "column 'label' has 1 label in all rows, .'yes'.; a model needs rows of two classes",
        ),
        ("text,label", lambda n: f"text {n},{n % 2}", 40, "has 40 rows; a study needs 200 at least"),
        ("text,a,b", lambda n: f"text {n},{n % 2},{n % 3}", 300, "a and b could be the label; name the column of the label by --label"),
        ("text", lambda n: f"text {n}", 300, "there is no column beside the text; name the column of the label by --label"),
        ("text,label", lambda n: f"text {n},name {n}", 300, "column 'label' has 300 different values"),
    ],
)
def test_what_cannot_make_a_study_is_one_line(tmp_path, header, row, count, message):
    with pytest.raises(UserError, match=message) as error:
        look(write(tmp_path, "table.csv", header, row, count), **NOTHING)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="there is no such file; name a .csv"):
        look(tmp_path / "nothing.csv", **NOTHING)


def test_a_column_of_ids_is_no_column_of_texts(tmp_path):
    def row(number):
        return f"3f2a-99c1-77de-{number:08d},{number % 2}"

    with pytest.raises(UserError, match=r"ids.csv has no column of texts; its columns are key, kind: name one by --text$"):
        look(write(tmp_path, "ids.csv", "key,kind", row), **NOTHING)


def test_records_are_refused_with_their_fields(tmp_path):
    path = tmp_path / "nested.jsonl"
    rows = ({"id": f"a-{number:09d}", "data": {"words": f"a film {number}", "mood": number % 2}} for number in range(240))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    message = "nested.jsonl has no column of texts; its columns are id, data; "
    message += "column 'data' holds records of words, mood: make a column of each: name one by --text"
    with pytest.raises(UserError, match=f"{message}$"):
        look(path, **NOTHING)


def test_numbers_with_a_decimal_comma_are_refused_and_names_with_commas_are_not(tmp_path):
    def rating(number):
        return f'"a film {number}";{number % 5},{number % 7}'

    message = "ratings.csv: column 'score' has numbers with a decimal comma, such as 0,0; write them with a point$"
    with pytest.raises(UserError, match=message):
        look(write(tmp_path, "ratings.csv", "text;score", rating), **NOTHING)
    named = look(write(tmp_path, "named.csv", "text;kind", lambda n: f'"a film {n}";{"good, 1" if n % 2 else "bad, 2"}'), **NOTHING)
    assert named.roles.task == "classification"
