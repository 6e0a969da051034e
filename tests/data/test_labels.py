"""A label is one class: read as text, told apart once over all splits, and matched by name with the head that an encoder has."""

import datetime
import json
import re

import numpy as np
import pandas as pd
import pytest

from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks.labels import as_text, find_classes, match
from encoder_compression.errors import UserError
from encoder_compression.training.examples import Validation


def classes(labels, *, head=None, names=None, label_map=None):
    return find_classes(labels, label_map=label_map, names=names, head=head)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([" pos", "pos ", "\tpos\n"], ["pos", "pos", "pos"]),
        ([1, 1.0, np.int64(1), np.float32(1), "1"], ["1"] * 5),
        ([True, np.bool_(False)], ["true", "false"]),
        ([None, np.nan, pd.NA, ""], [""] * 4),
        ([["a"], {"a": 1}, ("a",), np.array(["a"])], [None] * 4),
        ([0.5, "0.50"], ["0.5", "0.50"]),
        ([datetime.date(2026, 1, 5), np.inf], ["2026-01-05", "inf"]),
    ],
)
def test_a_label_is_text_without_blanks_whatever_its_type_and_a_list_is_none(labels, expected):
    assert as_text(pd.Series(labels, dtype=object)).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["1", "0", "1.0"], ["0", "1"]),
        (["-1", "0", "1"], ["-1", "0", "1"]),
        (["10", "9", "8"], ["8", "9", "10"]),  # by number and not by letter
        (["0", "1", "unsure"], ["0", "1", "unsure"]),
        (["0", "1.0", "1", "unsure"], ["0", "1", "unsure"]),
        (["007", "008"], ["007", "008"]),  # codes
        (["nan", "inf"], ["inf", "nan"]),
        (["true", "false"], ["false", "true"]),
    ],
)
def test_labels_are_numbers_where_all_of_them_are_whole_else_names(labels, names):
    assert classes(labels).names == names


@pytest.mark.parametrize("labels", [["True", "TRUE", "False"], ["Negative", "negative"], ["very good", "Very  good"]])
def test_labels_that_differ_in_case_or_blanks_alone_are_told_to_be_one_class(labels):
    with pytest.raises(UserError, match="differ in case or blanks alone; write them alike, or name one class for both in label_map"):
        classes(labels)
    assert classes(labels, label_map=dict.fromkeys(labels, "one")).names == ["one"]


def test_fractions_are_no_classes():
    with pytest.raises(UserError, match="labels such as 0.5, 1.25 are no classes.*set 'threshold'"):
        classes(["0.5", "1.25", "2"])


@pytest.mark.parametrize(
    ("labels", "head", "index_of"),
    [
        (["neg", "pos"], ["pos", "neg"], {"neg": 1, "pos": 0}),
        (["Negative ", "POSITIVE"], ["positive", "negative"], {"Negative ": 1, "POSITIVE": 0}),
        (["entailment", "not_entailment"], ["not entailment", "Entailment"], {"entailment": 1, "not_entailment": 0}),
        (["0", "1"], ["positive", "negative"], {"0": 0, "1": 1}),
        (["0", "1"], ["LABEL_0", "LABEL_1"], {"0": 0, "1": 1}),
        (["0", "1"], ["1", "0"], {"0": 1, "1": 0}),  # a head that calls its outputs by numbers in another order
        (["LABEL_1", "LABEL_0"], ["label_1", "label_0"], {"LABEL_1": 0, "LABEL_0": 1}),
    ],
)
def test_the_head_of_a_tuned_model_gives_the_order_by_its_names_and_numbers_keep_theirs(labels, head, index_of):
    matched = classes(labels, head=head)
    assert matched.index_of == index_of
    assert matched.head == head


def test_classes_are_called_as_the_head_calls_them_unless_it_only_counts():
    assert classes(["0", "1"], head=["negative", "positive"]).names == ["negative", "positive"]
    assert classes(["NEG", "POS"], head=["pos", "neg"]).names == ["pos", "neg"]
    assert classes(["0", "1"], head=["LABEL_0", "LABEL_1"]).names == ["0", "1"]
    assert classes(["0", "1"], names=["bad", "good"], head=["LABEL_0", "LABEL_1"]).names == ["bad", "good"]


def test_names_that_are_given_for_numbers_are_matched_with_the_head():
    matched = classes(["0", "1"], names=["negative", "positive"], head=["positive", "negative"])
    assert matched.index_of == {"0": 1, "1": 0}
    assert matched.names == ["positive", "negative"]


@pytest.mark.parametrize(
    ("labels", "head"),
    [
        (["spam", "ham"], ["positive", "negative"]),
        (["neg", "pos"], ["LABEL_0", "LABEL_1"]),
        (["1", "2"], ["bad", "good"]),
        (["neg", "pos"], ["neg", "neutral", "pos"]),
        (["a", "b", "c"], ["a", "b"]),
    ],
)
def test_a_head_for_other_classes_is_none_of_theirs(labels, head):
    matched = classes(labels, head=head)
    assert matched.head is None
    assert matched.names == sorted(labels)


def test_a_map_of_labels_leads_to_the_heads_classes_and_several_may_be_one():
    matched = classes(["1", "2", "4", "5"], label_map={"1": "neg", "2": "neg", "4": "pos", "5": "pos"}, head=["pos", "neg"])
    assert matched.index_of == {"1": 1, "2": 1, "4": 0, "5": 0}
    with pytest.raises(UserError, match=r"label_map names \['1'\], but the data set has the label '2'"):
        classes(["1", "2"], label_map={"1": "neg"})


def test_two_names_of_a_head_that_are_alike_match_nothing():
    assert match(["a", "b"], ["a", "A"], values=None) is None


def prepare(tmp_path, encoder, files: dict[str, pd.DataFrame], **changes) -> dict:
    """Prepare tables as JSON lines; returns dataset.json."""
    for name, frame in files.items():
        frame.to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
    options = {
        "files": {name: str(tmp_path / f"{name}.jsonl") for name in files},
        "format": {},
        "columns": {"text": "text", "label": "label"},
    }
    options |= {"split": {"validation": 0.2, "test": 0.2}, "max_length": 32} | changes
    prepare_dataset(options=options, task="classification", encoder=encoder, output=tmp_path / "dataset")
    return json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))


def table(labels: list, count: int = 60, name: str = "a film") -> pd.DataFrame:
    return pd.DataFrame({"text": [f"{name} {number}" for number in range(count)], "label": (labels * count)[:count]})


def test_blanks_around_labels_make_no_further_classes(tmp_path, encoder):
    assert prepare(tmp_path, encoder, {"train": table(["pos", " pos", "neg", "neg "])})["labels"] == ["neg", "pos"]


def test_a_list_of_labels_is_one_line(tmp_path, encoder):
    with pytest.raises(
        UserError,
        match=r"60 rows .* have a list or record as their label, but a classification needs one class a text: train-0 \(\['a'\]\)",
    ):
        prepare(tmp_path, encoder, {"train": table([["a"], ["a", "b"]])})


def test_a_label_of_another_kind_in_one_split_is_a_class_and_told_to_be_lacking_elsewhere(tmp_path, encoder):
    files = {"train": table([0, 1]), "test": table([0, 1, "unsure"], 30, "a play")}
    described = prepare(tmp_path, encoder, files)
    assert described["labels"] == ["0", "1", "unsure"]
    assert "train has no row of class 'unsure': no model can learn it." in described["warnings"]
    test = pd.read_parquet(tmp_path / "dataset" / "test.parquet")
    assert test["label"].value_counts().to_dict() == {0: 10, 1: 10, 2: 10}


def test_a_rating_that_is_no_number_stops_where_a_threshold_needs_one(tmp_path, encoder):
    """Half marks with a decimal comma would be lost, and no others."""
    with pytest.raises(UserError, match=r"30 rows .* have a label that is no number, which 'threshold' needs: train-1 \(2,5\), train-3"):
        prepare(tmp_path, encoder, {"train": table(["1", "2,5"])}, threshold=2)


def swallowing(tmp_path, encoder, name: str, content: str, task: str = "classification") -> list[str]:
    """Return what is said of texts that hold rows in a file of this name."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    options = {"files": {"train": str(tmp_path / name)}, "format": {}, "columns": {"text": "text", "label": "label"}, "max_length": 32}
    options |= {"split": {"validation": 0.2, "test": 0.2}}
    prepare_dataset(options=options, task=task, encoder=encoder, output=tmp_path / "dataset")
    described = json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    return [sentence for sentence in described.get("warnings", []) if "ends as a row of the table does" in sentence]


@pytest.mark.parametrize(
    ("labels", "task"), [(("pos", "neg"), "classification"), (("1", "0"), "classification"), (("2.5", "4"), "regression")]
)
def test_rows_that_two_stray_quotation_marks_swallow_are_told(tmp_path, encoder, labels, task):
    texts = [f"film {number}" for number in range(60)]
    texts[5], texts[9] = '"' + texts[5], texts[9] + '"'
    rows = [f"{text},{labels[number % 2]}" for number, text in enumerate(texts)]
    (sentence,) = swallowing(tmp_path, encoder, "table.csv", "text,label\n" + "\n".join(rows) + "\n", task)
    assert re.match(r"1 of \d+ texts of \w+ hold a line that ends as a row", sentence)


def test_lines_in_a_text_are_no_rows_where_no_quotation_mark_can_swallow_any(tmp_path, encoder):
    records = [{"text": f"film {number}: acting, 1\nplot, 0\n", "label": number % 2} for number in range(60)]
    assert swallowing(tmp_path, encoder, "table.jsonl", "\n".join(map(json.dumps, records))) == []
    rows = [f'"film {number}\nin two lines",{number % 2}' for number in range(60)]
    assert swallowing(tmp_path, encoder, "table.csv", "text,label\n" + "\n".join(rows) + "\n") == []


def test_what_the_user_calls_a_file_or_column_breaks_no_message(tmp_path, encoder):
    path = tmp_path / "{0} of {x}.jsonl"
    pd.DataFrame({"{text}": ["a", "b"], "label": [["x"], "y"]}).to_json(path, orient="records", lines=True)
    options = {"files": {"train": str(path)}, "format": {}, "columns": {"text": "{text}", "label": "label"}, "max_length": 32}
    with pytest.raises(UserError, match=r"1 rows of split 'train' \(.*\{0\} of \{x\}.jsonl\) have a list or record as their label"):
        prepare_dataset(
            options=options | {"split": {"validation": 0.2, "test": 0.2}}, task="classification", encoder=encoder, output=tmp_path
        )


def test_numbers_that_are_taken_for_the_outputs_of_a_head_are_told_with_its_names():
    assert classes(["0", "1"], head=["positive", "negative"]).numbered
    assert not classes(["0", "1"], head=["LABEL_0", "LABEL_1"]).numbered
    assert not classes(["neg", "pos"], head=["pos", "neg"]).numbered


def test_minus_one_is_a_class_unless_a_whole_split_has_no_other(tmp_path, encoder):
    assert prepare(tmp_path, encoder, {"train": table([-1, 0, 1])})["labels"] == ["-1", "0", "1"]
    with pytest.raises(UserError, match="all labels of split 'test' .* are -1"):
        prepare(tmp_path, encoder, {"train": table([0, 1]), "test": table([-1], 30, "a play")})


def test_what_a_reader_should_know_of_the_rows_is_counted(tmp_path, encoder):
    train = pd.concat([table([0, 1]), pd.DataFrame({"text": ["a film 0", "a film 1", "caf\ufffd", "☃☃☃"], "label": [1, 1, 0, 1]})])
    evaluation = table([0, 1], 20, "a play")
    files = {"train": train, "validation": evaluation, "test": pd.concat([evaluation.head(5), table([0, 1], 10, "a song")])}
    warnings = prepare(tmp_path, encoder, files)["warnings"]
    assert warnings == [
        "5 of 15 rows of test have a text that validation has too, by which the epoch is chosen: the scores on test are too good.",
        "1 rows of train repeat a text with another label than before; the first row of a text counts.",
        "1 of 62 texts of train hold '\ufffd', which stands for bytes that are no UTF-8: name the encoding of the file in "
        "dataset.format.encoding.",
        "1 of 62 texts of train have no token that the tokenizer knows: the model sees nothing of them.",
    ]


def test_an_empty_split_is_told_with_what_became_of_its_rows(tmp_path, encoder):
    with pytest.raises(UserError, match=r"split 'train' is empty: .*train.jsonl has 60 usable rows; 60 dropped \(also in test\)"):
        prepare(tmp_path, encoder, {"train": table([0, 1]), "test": table([0, 1])})


def test_f1_of_three_classes_is_told_before_a_training_begins(tmp_path, encoder):
    prepare(tmp_path, encoder, {"train": table([0, 1, 2])})
    with pytest.raises(UserError, match="metric: f1 is that of the second of two classes, but the data set has 3; take macro_f1"):
        Validation(tmp_path / "dataset", "f1")
