"""Soft targets of another experiment's teacher reach the rows that they are of, whatever the order, the tokens and the names' order."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from conftest import TINY_CSV, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.unlabelled import prepare_unlabelled
from encoder_compression.errors import UserError
from encoder_compression.teaching.fitted_targets import fit_logits

SPLIT = {"validation": 0.2, "test": 0.25}
COLUMNS = {"text": "text", "label": "label"}


def prepare(folder, encoder, table: pd.DataFrame, **options):
    folder.mkdir()
    table.to_csv(folder / "rows.csv", index=False)
    source = {"files": {"train": str(folder / "rows.csv")}, "format": {}, "columns": COLUMNS, "split": SPLIT, "max_length": 32}
    prepare_dataset(options=source | options, task=options.pop("task", "classification"), encoder=encoder, output=folder / "dataset")
    return folder / "dataset"


def train(dataset) -> pd.DataFrame:
    return parquet.read_table(dataset / "train.parquet").to_pandas()


def write_logits(folder, ids: list[str], logits: list) -> None:
    folder.mkdir()
    parquet.write_table(pa.table({"id": ids, "logits": logits}), folder / "logits.parquet")


def lengths(texts: pd.Series, *factors: float) -> np.ndarray:
    """Return logits [texts, outputs] that only the right text has."""
    return texts.str.len().to_numpy(np.float32)[:, None] * np.array(factors, np.float32)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    return {kind: make_encoder(tmp_path_factory.mktemp(kind), kind) for kind in ("bert", "roberta")}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory, encoders):
    """The same texts for two encoders: those of the teacher in another order, cut at other lengths, its classes the other way round."""
    folder, rows = tmp_path_factory.mktemp("experiments"), pd.read_csv(TINY_CSV)
    ours = prepare(folder / "ours", encoders["bert"], rows, max_length=8, label_names=["bad", "good"])
    turned = rows[::-1].assign(label=1 - rows["label"])
    theirs = prepare(folder / "theirs", encoders["roberta"], turned, label_names=["Good", "bad"])
    write_logits(folder / "logits", train(theirs)["id"].tolist(), lengths(train(theirs)["text"], 1, -1).tolist())
    return {"logits": folder / "logits", "read": theirs, "labels": theirs, "rows": ours, "dataset": ours}


def test_each_row_gets_the_logits_of_its_text_in_its_own_order_of_classes(tmp_path, experiments):
    facts = fit_logits(**experiments, output=tmp_path / "fitted")
    fitted, rows = parquet.read_table(tmp_path / "fitted/logits.parquet"), train(experiments["rows"])
    assert rows["text"].tolist() != train(experiments["read"])["text"].tolist()
    assert fitted["id"].to_pylist() == rows["id"].tolist()
    assert np.array_equal(np.array(fitted["logits"].to_pylist()), lengths(rows["text"], -1, 1))
    assert facts == {"inputs": len(rows), "without": 0}


def test_other_classes_are_refused(tmp_path, encoders, experiments):
    named = prepare(tmp_path / "named", encoders["bert"], pd.read_csv(TINY_CSV), label_names=["poor", "good"])
    message = (
        r"the teacher's classes \['Good', 'bad'\] of .*theirs/dataset are not those of .*named/dataset, \['poor', 'good'\]; name them alike"
    )
    with pytest.raises(UserError, match=message):
        fit_logits(**experiments | {"rows": named, "dataset": named}, output=tmp_path / "fitted")


def test_examples_that_the_teacher_has_not_read_are_refused(tmp_path, encoders, experiments):
    more = pd.concat([pd.read_csv(TINY_CSV), pd.DataFrame({"text": [f"a film called number {index}" for index in range(9)], "label": 1})])
    extended = prepare(tmp_path / "more", encoders["bert"], more, label_names=["bad", "good"])
    added = int(train(extended)["text"].str.contains("number").sum())
    with pytest.raises(UserError, match=rf"^{added} of {len(train(extended))} examples of train in .* are not in that of .*: train-\d+, "):
        fit_logits(**experiments | {"rows": extended, "dataset": extended}, output=tmp_path / "fitted")


def test_unlabeled_texts_that_the_teacher_has_not_read_have_no_soft_target(tmp_path, encoders, experiments):
    texts = pd.DataFrame({"text": ["a quiet film", "loud and long", "an ending to forget"]})
    texts.to_csv(tmp_path / "more.csv", index=False)
    options = {"files": {"train": str(tmp_path / "more.csv")}, "format": {}, "columns": {"text": "text"}}
    ours = {"dataset": experiments["dataset"], "encoder": encoders["bert"], "output": tmp_path / "ours"}
    prepare_unlabelled(options=options, **ours)
    texts[:2].to_csv(tmp_path / "more.csv", index=False)
    prepare_unlabelled(options=options, dataset=experiments["read"], encoder=encoders["roberta"], output=tmp_path / "theirs")
    write_logits(tmp_path / "logits", ["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
    changed = {"logits": tmp_path / "logits", "read": tmp_path / "theirs", "rows": tmp_path / "ours"}
    assert fit_logits(**experiments | changed, output=tmp_path / "fitted") == {"inputs": 3, "without": 1}
    logits = parquet.read_table(tmp_path / "fitted/logits.parquet")["logits"].to_pylist()
    assert logits == [[2.0, 1.0], [4.0, 3.0], [-np.inf, -np.inf]]


def test_numbers_need_no_names(tmp_path, encoders):
    rows = pd.read_csv(TINY_CSV).assign(label=lambda table: table.index / 2)
    ours, theirs = (
        prepare(tmp_path / name, encoders[kind], rows[::step], task="regression")
        for name, kind, step in (("ours", "bert", 1), ("theirs", "roberta", -1))
    )
    write_logits(tmp_path / "logits", train(theirs)["id"].tolist(), lengths(train(theirs)["text"], 0.5).tolist())
    fit_logits(logits=tmp_path / "logits", read=theirs, labels=theirs, rows=ours, dataset=ours, output=tmp_path / "fitted")
    fitted = parquet.read_table(tmp_path / "fitted/logits.parquet")["logits"].to_pylist()
    assert np.array_equal(np.array(fitted), lengths(train(ours)["text"], 0.5))
