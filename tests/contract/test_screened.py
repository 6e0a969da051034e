"""What screening tells of a chain is counted against the teacher in PyTorch on the same validation examples."""

import json
from pathlib import Path

import numpy as np
import pytest

from encoder_compression.contract.screened import Results
from encoder_compression.run import provenance
from encoder_compression.study.chain import Chain
from saved_rows import DESCRIPTION, LABELS, save_row


@pytest.fixture
def results(tmp_path, monkeypatch) -> Results:
    """A teacher that errs on 20 of 200 examples, and a student that errs on 6 more and mends 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mine/dataset").mkdir(parents=True)
    described = DESCRIPTION | {"task": "classification"}
    (tmp_path / "results/mine/dataset/dataset.json").write_text(json.dumps(described), encoding="utf-8")
    results = Results("mine", device="cpu-onnxruntime", baseline="cpu-pytorch")
    save(results, "teacher", range(20), device="cpu-pytorch", runtime="pytorch")
    save(results, "teacher+int8", range(2, 26), ms=2.0, memory_run_mb=33.0, size_mb=7.0)
    return results


def save(results: Results, chain: str, wrong, *, device: str | None = None, runtime: str = "onnxruntime", **figures) -> None:
    folder = Path(results.target(Chain(chain), device)).parent
    save_row(folder, runtime=runtime, wrong=wrong, gap=0.0, **figures)
    provenance.write(folder, options={}, inputs={}, seconds=4.0, facts={"metric": "accuracy"})


def test_a_change_is_that_of_the_score_and_its_bound_that_of_the_examples_that_changed(results):
    screened = results.of(Chain("teacher+int8"))
    assert (screened.score, screened.change) == (pytest.approx(0.88), pytest.approx(-0.02))
    changes = np.where(np.arange(200) < 2, 1, np.where((np.arange(200) >= 20) & (np.arange(200) < 26), -1, 0))
    standard_error = changes.std() / np.sqrt(200)  # 1.4 points
    assert screened.change_above == pytest.approx(-0.02 - 1.645 * standard_error, abs=0.001)
    assert screened.cautious_change == pytest.approx(-0.02 - standard_error, abs=0.0006)
    assert (screened.latency_ms, screened.size_mb, screened.memory_mb) == (2.0, 7.0, 33.0)
    assert results.seconds(Chain("teacher+int8"), "cpu-onnxruntime/screening") == 4.0


def test_a_chain_is_screened_once_its_last_file_is_there(results):
    assert results.has(Chain("teacher+int8"))
    assert not results.has(Chain("teacher"))  # on the baseline's device alone
    assert [each.chain for each in results.of_all([Chain("teacher"), Chain("teacher+int8")])] == ["teacher+int8"]


@pytest.mark.parametrize(("wrong", "worse"), [(20, False), (99, False), (100, True), (160, True)])
def test_a_teacher_that_is_right_in_half_of_two_equal_classes_is_no_better_than_a_constant(results, wrong, worse):
    assert (LABELS == 0).sum() == 100
    save(results, "teacher", range(wrong), device="cpu-pytorch", runtime="pytorch")
    assert results.teacher_is_no_better_than_constant() == worse
