"""Folds are data sets of their own: what one leaves out is in none of its other splits, and every text is left out once."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from conftest import ROOT, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.folds import assign, cut_fold
from encoder_compression.data.tasks import question_answering
from encoder_compression.errors import UserError

COUNT = 3
SPLITS = ("train", "validation", "test")


@pytest.fixture
def whole(tmp_path, dataset):
    """The tiny data set without its test split, which folds may not read."""
    folder = shutil.copytree(dataset, tmp_path / "whole")
    (folder / "test.parquet").unlink()
    return folder


def cut(whole, folder, count: int = COUNT, seed: int = 1) -> list[dict[str, pd.DataFrame]]:
    """Return the splits of each fold."""
    for number in range(1, count + 1):
        cut_fold(dataset=whole, output=folder / str(number), number=number, count=count, seed=seed)
    return [{name: pd.read_parquet(folder / str(number) / f"{name}.parquet") for name in SPLITS} for number in range(1, count + 1)]


def rows_of(whole) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(whole / f"{name}.parquet") for name in ("train", "validation")], ignore_index=True)


def test_each_example_is_left_out_once_and_is_nowhere_else_in_its_fold(whole, tmp_path):
    rows, folds = rows_of(whole), cut(whole, tmp_path)
    left_out = [identity for fold in folds for identity in fold["test"]["id"]]
    assert sorted(left_out) == sorted(rows["id"])
    for fold in folds:
        together = pd.concat(fold.values())
        assert sorted(together["id"]) == sorted(rows["id"])
        columns = ["id", "text", "label"]
        assert together.sort_values("id")[columns].values.tolist() == rows.sort_values("id")[columns].values.tolist()


def test_folds_are_of_one_size_and_hold_as_many_of_each_class(whole, tmp_path):
    rows, folds = rows_of(whole), cut(whole, tmp_path)
    assert {len(fold["test"]) for fold in folds} <= {len(rows) // COUNT, len(rows) // COUNT + 1}
    for label, count in rows["label"].value_counts().items():
        counts = [(fold["test"]["label"] == label).sum() for fold in folds]
        assert max(counts) - min(counts) <= 1 and sum(counts) == count


def test_validation_of_a_fold_is_as_large_a_share_as_before(whole, tmp_path):
    share = len(pd.read_parquet(whole / "validation.parquet")) / len(rows_of(whole))
    for fold in cut(whole, tmp_path):
        rest = len(fold["train"]) + len(fold["validation"])
        assert len(fold["validation"]) / rest == pytest.approx(share, abs=0.06)


def test_equal_texts_stay_in_one_split(whole, tmp_path):
    """Ten texts of validation are in train, too, with another id each and some with another label."""
    train, validation = (pd.read_parquet(whole / f"{name}.parquet") for name in ("train", "validation"))
    twins = validation.head(10).assign(id=[f"twin-{number}" for number in range(10)], label=lambda rows: 1 - rows["label"])
    schema = parquet.read_schema(whole / "train.parquet")
    pd.concat([train, twins]).astype({"label": "int32"}).to_parquet(whole / "train.parquet", schema=schema, index=False)
    for fold in cut(whole, tmp_path):
        places = pd.concat([rows.assign(split=name) for name, rows in fold.items()])
        assert len(places) == len(train) + len(validation) + 10
        assert places.groupby("text")["split"].nunique().max() == 1


def test_the_texts_and_the_seed_decide_a_fold_and_not_the_order_of_rows(whole, tmp_path):
    first = [set(fold["test"]["text"]) for fold in cut(whole, tmp_path / "first")]
    train = parquet.read_table(whole / "train.parquet")
    parquet.write_table(train.take(np.random.default_rng(0).permutation(len(train))), whole / "train.parquet")
    assert [set(fold["test"]["text"]) for fold in cut(whole, tmp_path / "again")] == first
    assert [set(fold["test"]["text"]) for fold in cut(whole, tmp_path / "other", seed=2)] != first


def test_keys_are_dealt_out_evenly_within_each_stratum():
    keys = np.array([7, 7, 1, 2, 3, 4, 5, 6, 8, 9], dtype=np.uint64)
    strata = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    folds = assign(keys, strata, count=2, seed=[3])
    assert folds[0] == folds[1]
    assert np.bincount(folds[1:5]).tolist() == [2, 2]
    assert sorted(np.bincount(folds[5:])) == [2, 3]


def test_a_fold_says_of_itself_what_the_whole_data_set_does_not(whole, tmp_path):
    before = json.loads((whole / "dataset.json").read_text(encoding="utf-8"))
    (fold, *_) = cut(whole, tmp_path)
    after = json.loads((tmp_path / "1" / "dataset.json").read_text(encoding="utf-8"))
    assert after["rows"] == {name: len(fold[name]) for name in SPLITS}
    assert {name: after[name] for name in ("labels", "max_length", "pad_token_id", "task")} == {
        name: before[name] for name in ("labels", "max_length", "pad_token_id", "task")
    }
    assert not {"dropped", "cut", "warnings"} & after.keys()


def test_fewer_texts_than_two_a_fold_are_refused(whole, tmp_path):
    texts = rows_of(whole)["text"].nunique()
    with pytest.raises(UserError, match=f"{texts} texts of train and validation are too few for {texts} folds; give fewer 'folds'"):
        cut_fold(dataset=whole, output=tmp_path / "fold", number=1, count=texts, seed=1)


def test_numbers_have_the_range_of_the_folds_train(tmp_path, encoder):
    table = pd.DataFrame({"text": [f"sentence {number}" for number in range(60)], "label": np.arange(60) / 10})
    table.to_csv(tmp_path / "table.csv", index=False)
    options = {"files": {"train": str(tmp_path / "table.csv")}, "format": {"header": True}, "max_length": 32}
    options |= {"columns": {"text": "text", "label": "label"}, "split": {"validation": 0.2, "test": 0.2}}
    prepare_dataset(options=options, task="regression", encoder=encoder, output=tmp_path / "whole")
    for number, fold in enumerate(cut(tmp_path / "whole", tmp_path), start=1):
        described = json.loads((tmp_path / str(number) / "dataset.json").read_text(encoding="utf-8"))
        assert described["label_range"] == [fold["train"]["label"].min(), fold["train"]["label"].max()]
        assert len(fold["test"]) in (len(rows_of(tmp_path / "whole")) // COUNT, len(rows_of(tmp_path / "whole")) // COUNT + 1)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """Short windows on the tiny questions, so that a question has several, without those of the test split."""
    folder = tmp_path_factory.mktemp("questions")
    columns = {name: name for name in ("id", "question", "context", "answers")} | {"group": "id"}  # a group finer than a context
    options = {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "format": {}, "columns": columns}
    options |= {"split": {"validation": 0.2, "test": 0.1}, "max_length": 48, "stride": 8}
    encoder = make_encoder(folder / "base", positions=80)
    prepare_dataset(options=options, task="question-answering", encoder=encoder, output=folder / "whole")
    for path in (folder / "whole").glob("test*.parquet"):
        path.unlink()
    return folder / "whole"


def test_all_windows_of_a_question_and_all_questions_on_a_context_stay_in_one_split(questions, tmp_path):
    windows = rows_of(questions)["id"].value_counts()
    assert windows.max() > 1
    for number in range(1, COUNT + 1):
        fold = tmp_path / str(number)
        cut_fold(dataset=questions, output=fold, number=number, count=COUNT, seed=1)
        places = pd.concat([pd.read_parquet(fold / f"{name}_questions.parquet").assign(split=name) for name in SPLITS])
        assert places.groupby("context")["split"].nunique().max() == 1
        for name in SPLITS:
            of_split = pd.read_parquet(fold / f"{name}.parquet")["id"].value_counts()
            assert of_split.to_dict() == windows[places.loc[places["split"] == name, "id"]].to_dict()
        described = json.loads((fold / "dataset.json").read_text(encoding="utf-8"))
        assert described["windows"] == {name: len(pd.read_parquet(fold / f"{name}.parquet")) for name in SPLITS}
        assert described["rows"] == places["split"].value_counts().to_dict()


def test_the_questions_that_a_fold_leaves_out_can_be_answered(questions, tmp_path):
    cut_fold(dataset=questions, output=tmp_path / "fold", number=2, count=COUNT, seed=1)
    windows = pd.read_parquet(tmp_path / "fold" / "test.parquet")
    logits = [np.zeros((2, len(ids))) for ids in windows["input_ids"]]
    answered = question_answering.decode(tmp_path / "fold", "test", logits)
    assert answered["id"] == pd.read_parquet(tmp_path / "fold" / "test_questions.parquet")["id"].tolist()
