"""A table is read as it is written: no type is guessed, no field is lost, and what cannot be read is one line with file and remedy."""

import json
import zlib

import pandas as pd
import pytest

from encoder_compression.data.sources import batches
from encoder_compression.data.sources.table import open_tables
from encoder_compression.errors import UserError

COLUMNS = {"text": "text", "label": "label"}


def read(path, *, columns=COLUMNS, **format) -> pd.DataFrame:
    table = open_tables({"files": {"train": str(path)}, "format": format, "columns": columns}, "dataset")["train"]
    return pd.concat(table.batches(columns.values()))


def written(tmp_path, content: str | bytes, name: str = "table.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("text", ["00002", "1e5", "NA", "null", "True", "2024-01-05", "1_000", "+7", "0x1F", "١٢٣", " padded "])
def test_a_text_of_digits_or_words_that_look_like_values_stays_as_it_is_written(tmp_path, text):
    rows = read(written(tmp_path, f"text,label\n{text},0\n{text},1\n"))
    assert rows["text"].tolist() == [text, text]
    assert rows["label"].tolist() == ["0", "1"]


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nfine,1,\nbad,0,\n",  # a separator at the end of every row, as spreadsheets write it
        "text,label,\nfine,1,\nbad,0,\n",
        "text,label,,\nfine,1,,\n\nbad,0\n",
        "text,label\nfine,1\n   \nbad,0\n",
        "sep=;\ntext;label\nfine;1\nbad;0\n",
        " text , label\nfine,1\nbad,0\n",
        "\ufefftext,label\r\nfine,1\r\nbad,0\r\n",
        'text,label\n"fine",1\n"bad",0',
    ],
)
def test_how_programs_write_a_csv_makes_no_difference(tmp_path, content):
    rows = read(written(tmp_path, content))
    assert rows.to_dict("list") == {"text": ["fine", "bad"], "label": ["1", "0"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nfine,1\ntext,label\nbad,0\n", "table.csv, line 3: the row holds the names of the columns; take it out"),
        ('text,label\nfine,1\n"bad,0\nnew,1\n', "row from line 3: unexpected end of data; double the quotation marks"),
        ("PK\x03\x04rubbish", "it is a zip archive or a workbook of Excel; save it as CSV in UTF-8"),
        (
            "text,label\nwell, fine,1\nwell, bad,0\n",
            "table.csv, line 2: 3 fields, but the header has 2 (2 such rows); give each column a name, put a text that holds ','",
        ),
        ("text,label\nfine,1\nalone\nbad,0\n", "table.csv, line 3: 1 fields, but the header has 2 (1 such rows)"),
        ('text,label\n"fine" film,1\n', "table.csv, row from line 2: ',' expected after '\"'; double the quotation marks"),
        ('text,label\n"fine,1\nbad,0\n', "unexpected end of data; double the quotation marks"),
        ("text,text,label\na,b,1\n", "the header names the column 'text' twice"),
        ("", "its first line is empty"),
        ("text:label\nfine:1\n", "has no column 'text' for the text; did you mean 'text:label'?; columns.text names the column"),
    ],
)
def test_a_row_that_does_not_fit_is_one_line_with_the_place_and_the_remedy(tmp_path, content, message):
    with pytest.raises(UserError) as error:
        read(written(tmp_path, content))
    assert message in str(error.value)
    assert "table.csv" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_recognized_by_the_columns_that_it_gives(tmp_path, separator):
    rows = read(written(tmp_path, f"text{separator}label\nwell, fine{separator}1\n"))
    assert rows.to_dict("list") == {"text": ["well, fine"], "label": ["1"]}


def test_a_separator_that_gives_other_columns_is_told_with_the_key(tmp_path):
    with pytest.raises(UserError, match=r"its only column is 'review;stars'; name what separates the columns in format.separator"):
        read(written(tmp_path, "review;stars\nfine;1\n"))


def test_quotation_marks_in_a_tsv_are_letters_unless_the_format_says_otherwise(tmp_path):
    path = written(tmp_path, 'text\tlabel\n"fine\t1\nbad\t0\n"both"\t1\n', "table.tsv")
    assert read(path)["text"].tolist() == ['"fine', "bad", '"both"']
    with pytest.raises(UserError, match="set format.quoting to false"):
        read(path, quoting=True)


def test_the_end_of_a_files_name_may_be_in_capitals(tmp_path):
    assert len(read(written(tmp_path, "text,label\nfine,1\n", "TABLE.CSV"))) == 1
    assert len(read(written(tmp_path, '{"text": "fine", "label": 1}\n', "Table.JSONL"))) == 1


def test_without_a_header_columns_are_called_by_their_number_or_by_the_given_names(tmp_path):
    path = written(tmp_path, "fine,1\nbad,0\n")
    assert read(path, columns={"text": "0", "label": "1"}, header=False)["0"].tolist() == ["fine", "bad"]
    assert read(path, header=False, names=["text", "label"])["text"].tolist() == ["fine", "bad"]
    with pytest.raises(UserError, match="format.names has 3 names, but the first line has 2 fields"):
        read(path, header=False, names=["text", "label", "more"])


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("text,label\ncafé,1\n".encode("utf-16"), {}),
        ("text,label\ncafé,1\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("\ufefftext,label\ncafé,1\n".encode(), {"encoding": "utf-8"}),
        ("text,label\ncafé,1\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
    ],
    ids=["utf-16", "cp1252", "signed", "utf-16-le"],
)
def test_letters_of_other_encodings_are_kept(tmp_path, content, format):
    assert read(written(tmp_path, content), **format)["text"].tolist() == ["café"]


def test_a_file_of_two_bytes_a_letter_without_a_sign_is_told_to_be_no_utf8(tmp_path):
    with pytest.raises(UserError, match="holds NUL characters and is no UTF-8; name its encoding"):
        read(written(tmp_path, "text,label\nfine,1\n".encode("utf-16-le")))


def test_json_keeps_texts_as_texts_with_and_without_a_byte_order_mark(tmp_path):
    records = [{"text": "0001", "label": "01"}, {"text": "2024-01-05", "label": None}]
    lines = "\n".join(map(json.dumps, records)) + "\n\n"
    for name, content in [("a.jsonl", lines), ("b.jsonl", "\ufeff" + lines), ("c.json", json.dumps(records)), ("d.json", lines)]:
        assert read(written(tmp_path, content, name)).to_dict("records") == records


@pytest.mark.parametrize("line", ['{"text": "fine"', '["fine", 1]', '"fine"'])
def test_a_line_of_json_that_is_no_record_is_told_with_its_number(tmp_path, line):
    with pytest.raises(UserError, match=r"table.jsonl, line 2: no "):
        read(written(tmp_path, '{"text": "fine", "label": 1}\n' + line + "\n", "table.jsonl"))


def test_whole_numbers_of_parquet_stay_whole_where_others_are_missing(tmp_path):
    pd.DataFrame({"text": ["a", "b"], "label": pd.array([7, None], dtype="Int64")}).to_parquet(tmp_path / "table.parquet")
    assert read(tmp_path / "table.parquet")["label"].tolist() == [7, None]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_is_the_same_in_however_many_batches(tmp_path, monkeypatch, suffix):
    frame = pd.DataFrame({"text": [f"text {zlib.crc32(bytes([number]))}" for number in range(50)], "label": ["a", "b"] * 25})
    writers = {"csv": lambda path: frame.to_csv(path, index=False), "jsonl": lambda path: frame.to_json(path, orient="records", lines=True)}
    (writers | {"parquet": frame.to_parquet})[suffix](tmp_path / f"table.{suffix}")
    monkeypatch.setattr(batches, "BATCH", 7)
    rows = read(tmp_path / f"table.{suffix}")
    assert rows.index.tolist() == list(range(50))
    pd.testing.assert_frame_equal(rows, frame, check_dtype=False)


def test_a_file_in_an_unknown_form_is_told_with_what_can_be_read(tmp_path):
    with pytest.raises(UserError, match=r"cannot read '.*table.xlsx'; its name must end in one of these"):
        read(written(tmp_path, "", "table.xlsx"))
