"""Starts and ends move from a teacher's tokens to those of a student with all their mass, and stay as they are where the tokens do."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.special import log_softmax, softmax

from conftest import ROOT, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks.question_answering import possible
from encoder_compression.errors import UserError
from encoder_compression.teaching.fitted_targets import fit_logits
from encoder_compression.teaching.projected_spans import NO_MASS, Window, project

COLUMNS = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}
CONTEXT = "Ellow lies north"  # characters 0-5, 6-10, 11-16


def window(*tokens: tuple[int, int], first: int = 3) -> Window:
    """Return a window whose context has tokens of these characters, behind ``first`` others and before one more."""
    starts, ends = np.array(tokens, np.int32).reshape(-1, 2).T
    return Window(first + len(tokens) + 1, first, starts, ends)


def of_masses(read: Window, starts: list[float], ends: list[float]) -> np.ndarray:
    """Return logits of a window whose distributions over "no answer" and the tokens of the context are these."""
    logits = np.full((2, read.length), -np.inf)
    with np.errstate(divide="ignore"):
        for side, masses in enumerate((starts, ends)):
            logits[side, [0, *range(read.context_first, read.context_first + len(read.starts))]] = np.log(masses)
    return logits


def masses(student: Window, logits: np.ndarray) -> np.ndarray:
    """Return the distributions [2, 1 + tokens] over "no answer" and the tokens of the context."""
    assert np.isneginf(logits[:, 1 : student.context_first]).all() and np.isneginf(logits[:, -1]).all()
    return softmax(logits[:, [0, *range(student.context_first, student.context_first + len(student.starts))]], axis=1)


def test_a_start_goes_to_the_piece_with_its_first_character_and_an_end_to_that_with_its_last():
    teacher, student = window((0, 5), (6, 10), (11, 16)), window((0, 2), (2, 5), (6, 10), (11, 13), (13, 16), first=5)
    logits = of_masses(teacher, [0.1, 0.5, 0.3, 0.1], [0.1, 0.2, 0.1, 0.6])
    expected = [[0.1, 0.5, 0, 0.3, 0.1, 0], [0.1, 0, 0.2, 0.1, 0, 0.6]]
    np.testing.assert_allclose(masses(student, project(student, [(teacher, logits)])), expected, atol=1e-6)


def test_pieces_of_one_token_of_the_students_add_up():
    teacher, student = window((0, 2), (2, 5), (6, 10), (11, 13), (13, 16)), window((0, 5), (6, 10), (11, 16))
    logits = of_masses(teacher, [0.1, 0.2, 0.1, 0.3, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.2, 0.4])
    expected = [[0.1, 0.3, 0.3, 0.3], [0.1, 0.2, 0.1, 0.6]]
    np.testing.assert_allclose(masses(student, project(student, [(teacher, logits)])), expected, atol=1e-6)


def test_a_token_without_mass_is_still_a_choice_of_the_students():
    teacher, student = window((0, 16)), window((0, 5), (6, 16))
    projected = project(student, [(teacher, of_masses(teacher, [0.5, 0.5], [0.5, 0.5]))])
    assert projected[0, 4] == projected[1, 3] == np.float32(NO_MASS)


def test_what_lies_outside_of_the_students_window_is_no_answer_there():
    teacher, student = window((0, 5), (6, 10), (11, 16)), window((0, 5), (6, 10))
    logits = of_masses(teacher, [0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.5, 0.1])
    expected = [[0.5, 0.2, 0.3], [0.3, 0.2, 0.5]]
    np.testing.assert_allclose(masses(student, project(student, [(teacher, logits)])), expected, atol=1e-6)


def test_a_blank_before_a_token_belongs_to_the_word_behind_it():
    teacher, student = window((0, 5), (5, 10), (10, 16)), window((0, 5), (6, 10), (11, 16))
    shares = [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_allclose(
        masses(student, project(student, [(teacher, of_masses(teacher, shares, shares))])), [shares, shares], atol=1e-6
    )


def test_gaps_of_one_window_are_filled_from_the_next_and_no_answer_is_the_least_likely():
    left, right, student = window((0, 5), (6, 10)), window((6, 10), (11, 16)), window((0, 5), (6, 10), (11, 16))
    logits = [np.full((2, 6), -np.inf), np.full((2, 6), -np.inf)]
    logits[0][:, [0, 3, 4]], logits[1][:, [0, 3, 4]] = [2.0, 1.0, 0.5], [-1.0, 9.0, 3.0]
    projected = project(student, list(zip((left, right), logits, strict=True)))
    assert projected[0, [0, 3, 4, 5]].tolist() == [-1.0, 1.0, 0.5, 3.0]


def test_a_window_without_a_token_of_the_context_has_no_answer():
    teacher, student = window((0, 5)), window()
    projected = project(student, [(teacher, of_masses(teacher, [0.4, 0.6], [0.4, 0.6]))])
    np.testing.assert_allclose(projected[:, 0], [0, 0], atol=1e-6)
    assert np.isneginf(projected[:, 1:]).all()


def prepare(folder, kind: str, positions: int = 80, **changes):
    encoder = make_encoder(folder / "encoder", kind, positions=positions, vocabulary_from=str(ROOT / "tests/data/tiny_squad.json"))
    source = {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "format": {}, "columns": COLUMNS}
    options = source | {"split": {"validation": 0.2, "test": 0.25}, "max_length": 64, "stride": 16} | changes
    prepare_dataset(options=options, task="question-answering", encoder=encoder, output=folder / "dataset")
    return folder / "dataset"


def fitted(folder, ours, theirs) -> tuple[list, list]:
    """Return random logits of a teacher on ``theirs``, and what becomes of them for ``ours``, a window each."""
    rows, generator = parquet.read_table(theirs / "train.parquet").to_pylist(), np.random.default_rng(0)
    logits = [possible(generator.normal(size=(2, len(row["input_ids"]))).astype(np.float32) * 3, row) for row in rows]
    folder.mkdir(parents=True)
    values = pa.array([list(row) for row in logits], pa.list_(pa.list_(pa.float32())))
    parquet.write_table(pa.table({"id": [row["id"] for row in rows], "logits": values}), folder / "logits.parquet")
    facts = fit_logits(logits=folder, read=theirs, labels=theirs, rows=ours, dataset=ours, output=folder / "fitted")
    table = parquet.read_table(folder / "fitted/logits.parquet")
    assert facts == {"inputs": len(table), "without": 0}
    assert table["id"].to_pylist() == parquet.read_table(ours / "train.parquet")["id"].to_pylist()
    return logits, [np.array(row, np.float32) for row in table["logits"].to_pylist()]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("bert"), "bert")


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_equal_tokenizers_leave_the_logits_as_they_are(tmp_path, kind):
    dataset = prepare(tmp_path / kind, kind)
    logits, projected = fitted(tmp_path / "logits", dataset, dataset)
    assert pd.Series(parquet.read_table(dataset / "train.parquet")["id"].to_pylist()).duplicated().any()  # of several windows
    for before, after in zip(logits, projected, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_the_mass_of_a_question_of_one_window_is_kept_between_tokenizers(tmp_path, bert):
    """The teacher reads each text in one window, the student in several: no mass is lost or added beside what its window holds."""
    theirs = prepare(tmp_path / "roberta", "roberta", positions=400, max_length=390)
    logits, projected = fitted(tmp_path / "logits", bert, theirs)
    ids = parquet.read_table(theirs / "train.parquet")["id"].to_pylist()
    single = {identity: row for identity, row in zip(ids, logits, strict=True) if ids.count(identity) == 1}
    ours = parquet.read_table(bert / "train.parquet")["id"].to_pylist()
    pairs = [(single[identity], row) for identity, row in zip(ours, projected, strict=True) if identity in single]
    assert len(pairs) > 5
    for before, after in pairs:
        totals = [np.logaddexp.reduce(row, axis=1) for row in (before, after)]
        np.testing.assert_allclose(*totals, atol=1e-4)
        assert log_softmax(after, axis=1).max() <= 0


def test_questions_that_the_teacher_has_not_read_are_refused(tmp_path, bert):
    theirs = prepare(tmp_path / "fewer", "bert", split={"validation": 0.4, "test": 0.25})
    with pytest.raises(UserError, match=r"\d+ of \d+ questions of train in .* are not in that of .*: tiny-\d+, .*; give both experiments"):
        fitted(tmp_path / "logits", bert, theirs)
