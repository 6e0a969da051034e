"""Splits are fixed by the text, labels are dense, and unusable rows are dropped and counted."""

import json

import pandas as pd
import pytest

from encoder_compression.data.dataset import positions, prepare_dataset
from encoder_compression.errors import UserError


def prepare(tmp_path, encoder, table: pd.DataFrame, **changes) -> dict[str, pd.DataFrame]:
    table.to_csv(tmp_path / "table.csv", index=False)
    options = {
        "files": {"train": str(tmp_path / "table.csv")},
        "format": {"header": True},
        "columns": {"text": "text", "label": "label"},
        "split": {"validation": 0.2, "test": 0.2},
        "max_length": 32,
    }
    prepare_dataset(options=options | changes, task="classification", encoder=encoder, output=tmp_path / "dataset")
    return {name: pd.read_parquet(tmp_path / "dataset" / f"{name}.parquet") for name in ("train", "validation", "test")}


def table(count: int) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"sentence {number}" for number in range(count)], "label": [number % 2 for number in range(count)]})


def test_a_text_keeps_its_split_when_rows_are_added_or_moved(tmp_path, encoder):
    before = prepare(tmp_path, encoder, table(60))
    after = prepare(tmp_path, encoder, table(80).sample(frac=1, random_state=1))
    for name, split in before.items():
        assert set(split["text"]) <= set(after[name]["text"])


def test_splits_share_no_text(tmp_path, encoder):
    splits = prepare(tmp_path, encoder, pd.concat([table(60), table(60)]))
    texts = [text for split in splits.values() for text in split["text"]]
    assert len(texts) == len(set(texts)) == 60


def test_a_text_of_a_given_test_split_is_taken_out_of_train(tmp_path, encoder):
    table(60).head(7).to_csv(tmp_path / "test.csv", index=False)
    splits = prepare(tmp_path, encoder, table(60), files={"train": str(tmp_path / "table.csv"), "test": str(tmp_path / "test.csv")})
    assert len(splits["test"]) == 7
    assert not set(splits["test"]["text"]) & set(splits["train"]["text"])


def test_ratings_become_two_classes_and_the_threshold_itself_is_dropped(tmp_path, encoder):
    ratings = table(60).assign(label=[(-2.5, 0, 1.5)[number % 3] for number in range(60)])
    splits = prepare(tmp_path, encoder, ratings, threshold=0)
    assert sum(map(len, splits.values())) == 40
    assert set(splits["train"]["label"]) == {0, 1}
    dropped = json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))["dropped"]["train"]
    assert dropped["label is the threshold or no number"] == 20


def test_named_labels_become_numbers_in_alphabetical_order(tmp_path, encoder):
    named = table(60).assign(label=[("positive", "negative")[number % 2] for number in range(60)])
    splits = prepare(tmp_path, encoder, named)
    assert json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))["labels"] == ["negative", "positive"]
    assert set(splits["train"]["label"]) == {0, 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"columns": {"text": "txt", "label": "label"}},
            "table.csv) has no column 'txt' for the text; did you mean 'text'?; columns.text names the column",
        ),
        ({"split": {"validation": 1e-6, "test": 0.2}}, "split 'validation' is empty"),
    ],
)
def test_unusable_data_is_one_line_with_the_remedy(tmp_path, encoder, changes, message):
    with pytest.raises(UserError) as error:
        prepare(tmp_path, encoder, table(60), **changes)
    assert message in str(error.value)


def test_one_label_only_is_refused(tmp_path, encoder):
    with pytest.raises(UserError, match="all rows have the same label"):
        prepare(tmp_path, encoder, table(60).assign(label=1))


def test_sentences_are_cut_at_max_length_and_not_padded(tmp_path, encoder):
    splits = prepare(tmp_path, encoder, table(60).assign(text=lambda rows: rows["text"] + " film" * 100), max_length=16)
    assert set(splits["train"]["input_ids"].map(len)) == {16}
    described = json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    assert described["cut"] == described["rows"]


def test_an_encoder_without_so_many_positions_is_told_before_training(tmp_path, encoder):
    """A vocabulary alone does not say how long a text may be; the encoder's positions do."""
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match=r"max_length is \d+, but the encoder reads at most \d+ tokens"):
        prepare(tmp_path, encoder, table(60), max_length=config["max_position_embeddings"] + 1)
    assert positions(encoder) == config["max_position_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "roberta", "pad_token_id": 1}), encoding="utf-8")
    assert positions(tmp_path) == config["max_position_embeddings"] - 2


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (-1, "table.csv) are -1; so the hub hides the labels of a test split"),
        ("", "60 rows of split 'train' (%s) have no label: train-0 (''), train-1 (''), train-2 (''); mend the rows"),
        (0.5, "labels such as 0.5 are no classes, which are whole numbers or names; set 'threshold'"),
    ],
)
def test_a_label_that_is_no_class_is_told_with_its_count_and_ids(tmp_path, encoder, label, message):
    with pytest.raises(UserError) as error:
        prepare(tmp_path, encoder, table(60).assign(label=label))
    assert message.replace("%s", str(tmp_path / "table.csv")) in str(error.value)


def test_whole_numbers_with_a_point_are_classes(tmp_path, encoder):
    splits = prepare(tmp_path, encoder, table(60).assign(label=[float(number % 2) for number in range(60)]))
    assert json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))["labels"] == ["0", "1"]
    assert set(splits["train"]["label"]) == {0, 1}
