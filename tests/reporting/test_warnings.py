"""A reader is warned of what makes a table doubtful, once each, and of nothing else."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from encoder_compression.reporting.study_warnings import warnings
from saved_rows import COMMIT, LABELS, ONNX, TORCH, SavedStudy

OTHER = {"commit": "f" * 40, "modified": False}


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    return SavedStudy(tmp_path, "teacher", "teacher+even1")


def warn(study: SavedStudy, **description) -> list[str]:
    """Return the warnings without those on how close rows may be ranked, which every table has."""
    return [sentence for sentence in every(study, **description) if "too noisy to rank" not in sentence]


def every(study: SavedStudy, **description) -> list[str]:
    table = study.table(**description)
    return warnings(table, table.over_seeds)


def test_a_clean_table_has_no_warning(study):
    assert warn(study) == []


def test_cut_texts_are_counted(study):
    rows, cut = {"train": 4000, "validation": 40, "test": 50}, {"train": 1200, "validation": 0, "test": 3}
    told = "Texts longer than dataset.max_length, 128 tokens, were cut: 1,200 of 4,000 in train, 3 of 50 in test."
    assert warn(study, rows=rows, cut=cut, max_length=128) == [told]
    assert warn(study, rows=rows, cut=dict.fromkeys(cut, 0), max_length=128) == []


def test_a_student_that_begins_elsewhere_cost_more_than_its_own_training(study):
    record = Path(study.study.folder("teacher+even1", 1, "model")) / "provenance.json"
    start = {"experiment": "wikitext", "variant": "teacher+student6", "seed": 1}
    record.write_text(
        json.dumps(json.loads(record.read_text(encoding="utf-8")) | {"options": {"options": {"start": start}}}), encoding="utf-8"
    )
    told = "teacher+even1 begins with teacher+student6 of wikitext; its training seconds and steps leave that training out."
    assert warn(study) == [told]


def test_rows_of_different_revisions_are_said(study):
    study.save("teacher+even1", TORCH, git=OTHER)
    assert warn(study) == ["Models and measurements come from different git revisions (a1b2c3d, fffffff): rows may not be comparable."]


def test_a_model_of_another_revision_is_said(study):
    study.train("teacher", git=OTHER)
    assert "different git revisions (a1b2c3d, fffffff)" in str(warn(study))


def test_uncommitted_changes_are_said(study):
    study.save("teacher+even1", TORCH, git=COMMIT | {"modified": True})
    assert warn(study) == ["Some models or measurements were made with uncommitted changes."]


def test_a_model_trained_with_uncommitted_changes_is_said(study):
    study.train("teacher", git=COMMIT | {"modified": True})
    assert "uncommitted changes" in str(warn(study))


def test_all_disturbed_rows_share_one_line(study):
    study.save("teacher+even1", TORCH, foreign=0.25)
    one = "Other programs took up to 25% of the processors while 1 row (marked ~) was measured: do not rely on the times."
    assert warn(study) == [one]
    study.save("teacher+even1", ONNX, foreign=0.4)
    assert warn(study) == [one.replace("25%", "40%").replace("1 row (marked ~) was", "2 rows (marked ~) were")]


def test_a_little_load_is_no_disturbance(study):
    study.save("teacher+even1", TORCH, foreign=0.09)
    assert warn(study) == []


def test_a_small_test_split_is_said(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=LABELS[:199])
    assert warn(study) == ["The test split has 199 examples: too few to tell variants apart."]


def test_the_spread_of_starts_and_the_resolution_are_said_per_device(study):
    logs = np.log(2) + np.array([-0.05, 0.0, 0.05])
    study.save("teacher+even1", TORCH, ratios=list(np.exp(logs)))
    found = {sentence.split(":")[0]: re.findall(r"([\d.]+)%", sentence) for sentence in every(study) if "too noisy to rank" in sentence}
    assert found == {ONNX: ["0.1", "0"], TORCH: ["5.0", "19"]}  # 0.05, and √2 (exp(4.303 × 0.05 / √3) - 1)


def test_starts_too_different_to_rank_anything_are_said(study):
    study.save("teacher+even1", TORCH, ratios=[1.0, 2.0, 4.0])
    assert f"{TORCH}: the ratio" in str([one for one in every(study) if one.endswith("too noisy to rank its rows at all.")])


@pytest.mark.parametrize(("articles", "words"), [(1, "one article"), (4, "4 articles"), (10, None)])
def test_questions_on_few_articles_are_called_out(study, articles, words):
    for row in study.table().found.values():
        predicted = pd.read_parquet(row.folder / "predictions.parquet")
        groups = [f"article {index * articles // len(predicted)}" for index in range(len(predicted))]
        predicted.assign(group=groups).to_parquet(row.folder / "predictions.parquet")
    said = [sentence for sentence in warn(study) if "of the test split are on" in sentence]
    warning = f"The sentences of the test split are on {words} only: the intervals hold for such texts and no others."
    assert said == ([warning] if words else [])
    low, high = study.aggregate().iloc[0][["score_ci_low", "score_ci_high"]]
    assert low < high


def test_rows_of_one_answer_are_counted(study):
    study.save("teacher+even1", ONNX, wrong=range(0, 200, 2))
    assert warn(study) == ["Rows that predict the same for every sentence, have learnt nothing and cannot win: 1 of 4."]


def test_rows_too_short_to_notice_a_disturbance_are_counted(study):
    for device in (TORCH, ONNX):
        study.save("teacher+even1", device, ms=0.5, foreign=0.9)
    assert warn(study) == [
        "Rows whose timed calls took less than a second, so that nobody can tell whether other programs disturbed them: 2."
    ]


@pytest.mark.parametrize(
    ("isa", "cost"), [("avx2", None), ("avx512", None), ("avx512_vnni", "sums of 8 bits may saturate there, or be slow")]
)
def test_a_graph_made_for_another_processor_than_the_measuring_one_is_said_once(tmp_path, isa, cost):
    study = SavedStudy(tmp_path, "teacher", "teacher+int8", seeds=(1, 2))
    for seed in (1, 2):
        study.train("teacher+int8", seed, form="onnx", isa=isa)
    said = f"teacher+int8 has weights for '{isa}' on a machine with 'avx2': {cost}"
    remedy = "quantize it on the machine that measures, with 'isa: auto'."
    assert warn(study) == ([f"{said}; {remedy}"] if cost else [])
