"""A reader is warned of what makes a table doubtful, once each, and of nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.study_warnings import of_encoder, warnings
from saved_rows import COMMIT, LABELS, ONNX, TORCH, SavedStudy

OTHER = {"commit": "f" * 40, "modified": False}


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    return SavedStudy(tmp_path, "teacher", "teacher+even1")


def warn(study: SavedStudy, **description) -> list[Finding]:
    """Return the warnings without those on how close rows may be ranked, which every table has."""
    return [warning for warning in every(study, **description) if warning.kind != "ranking_limit"]


def only(study: SavedStudy, **description) -> tuple[tuple[str, ...], dict]:
    """Return the codes and the facts of the only warning."""
    (warning,) = warn(study, **description)
    return warning.kinds, warning.facts


def every(study: SavedStudy, **description) -> list[Finding]:
    table = study.table(**description)
    return warnings(table, table.over_seeds)


def test_a_clean_table_has_no_warning(study):
    assert warn(study) == []


def test_cut_texts_are_counted(study):
    rows, cut = {"train": 4000, "validation": 40, "test": 50}, {"train": 1200, "validation": 0, "test": 3}
    (warning,) = warn(study, rows=rows, cut=cut, max_length=128)
    assert (warning.kinds, warning.facts) == (("texts_cut",), {"cut": {"train": 1200, "test": 3}})
    assert all(figure in warning.text for figure in ("128", "1,200 of 4,000", "3 of 50"))
    assert warn(study, rows=rows, cut=dict.fromkeys(cut, 0), max_length=128) == []


def test_a_student_that_begins_elsewhere_cost_more_than_its_own_training(study):
    record = Path(study.study.folder("teacher+even1", 1, "model")) / "provenance.json"
    start = {"experiment": "wikitext", "variant": "teacher+student6", "seed": 1}
    record.write_text(
        json.dumps(json.loads(record.read_text(encoding="utf-8")) | {"options": {"options": {"start": start}}}), encoding="utf-8"
    )
    assert only(study) == (("starts_elsewhere",), {"variant": "teacher+even1", "experiment": "wikitext"})


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        ({"teacher": {"experiment": "big", "variant": "teacher", "seed": 1}}, {"experiment": "big"}),
        ({"teacher": "teacher", "soft_targets": {"files": {"train": "given.csv"}}}, {"files": ["given.csv"]}),
    ],
)
def test_a_student_that_is_taught_from_elsewhere_cost_more_than_its_own_training_and_its_control_did_not(study, source, facts):
    record = Path(study.study.folder("teacher+even1", 1, "model")) / "provenance.json"
    before = json.loads(record.read_text(encoding="utf-8"))
    for soft, expected in ((0.9, (("taught_elsewhere",), {"variant": "teacher+even1"} | facts)), (0, None)):
        step = source | {"loss": {"hard": 1, "soft": soft, "hidden": 0, "relation": 0}}
        record.write_text(json.dumps(before | {"options": {"options": step}}), encoding="utf-8")
        assert (only(study) if expected else warn(study)) == (expected or [])


def test_rows_of_different_revisions_are_said(study):
    study.save("teacher+even1", TORCH, git=OTHER)
    assert only(study) == (("revisions_differ",), {"revisions": ["a1b2c3d", "fffffff"]})


def test_a_model_of_another_revision_is_said(study):
    study.train("teacher", git=OTHER)
    assert only(study) == (("revisions_differ",), {"revisions": ["a1b2c3d", "fffffff"]})


def test_uncommitted_changes_are_said(study):
    study.save("teacher+even1", TORCH, git=COMMIT | {"modified": True})
    assert only(study) == (("uncommitted_changes",), {})


def test_a_model_trained_with_uncommitted_changes_is_said(study):
    study.train("teacher", git=COMMIT | {"modified": True})
    assert only(study) == (("uncommitted_changes",), {})


def test_uncommitted_changes_of_another_revision_are_said_with_it(study):
    study.train("teacher", git=OTHER | {"modified": True})
    assert only(study)[0] == ("revisions_differ", "uncommitted_changes")


def test_what_the_preparation_of_the_data_set_warned_of_is_passed_on(study):
    assert warn(study, warnings=["Mind the labels."]) == [Finding("data_set", "Mind the labels.")]


def test_all_disturbed_rows_share_one_line(study):
    study.save("teacher+even1", TORCH, foreign=0.25)
    assert only(study) == (("noisy_rows",), {"rows": 1})
    study.save("teacher+even1", ONNX, foreign=0.4)
    assert only(study) == (("noisy_rows",), {"rows": 2})


def test_a_little_load_is_no_disturbance(study):
    study.save("teacher+even1", TORCH, foreign=0.09)
    assert warn(study) == []


def test_a_small_test_split_is_said(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=LABELS[:199])
    assert only(study) == (("few_examples",), {"examples": 199})


def test_the_spread_of_starts_and_the_resolution_are_said_per_device(study):
    logs = np.log(2) + np.array([-0.05, 0.0, 0.05])
    study.save("teacher+even1", TORCH, ratios=list(np.exp(logs)))
    limits = {warning.facts["device"]: warning for warning in every(study) if warning.kind == "ranking_limit"}
    assert set(limits) == {ONNX, TORCH}
    assert limits[ONNX].facts["spread"] == pytest.approx(0.001)
    assert limits[TORCH].facts["spread"] == pytest.approx(0.05)
    assert limits[TORCH].facts["closest"] == pytest.approx(np.sqrt(2) * (np.exp(4.30265 * 0.05 / np.sqrt(3)) - 1), rel=1e-4)
    assert "5.0%" in limits[TORCH].text and "19%" in limits[TORCH].text


def test_starts_too_different_to_rank_anything_are_said(study):
    study.save("teacher+even1", TORCH, ratios=[1.0, 2.0, 4.0])
    (limit,) = [warning for warning in every(study) if warning.facts.get("device") == TORCH]
    assert limit.facts["closest"] > 0.5
    assert limit.text.count("%") == 1  # the spread alone: no difference would be large enough


@pytest.mark.parametrize(("articles", "groups"), [(1, [1]), (4, [4]), (10, [])])
def test_questions_on_few_articles_are_called_out(study, articles, groups):
    for row in study.table().saved_rows.values():
        predicted = pd.read_parquet(row.folder / "predictions.parquet")
        article_of = [f"article {index * articles // len(predicted)}" for index in range(len(predicted))]
        predicted.assign(group=article_of).to_parquet(row.folder / "predictions.parquet")
    assert [warning.facts["groups"] for warning in warn(study) if warning.kind == "few_groups"] == groups
    low, high = study.aggregate().iloc[0][["score_ci_low", "score_ci_high"]]
    assert low < high


def test_rows_of_one_answer_are_counted(study):
    study.save("teacher+even1", ONNX, wrong=range(0, 200, 2))
    assert only(study) == (("rows_of_one_answer",), {"rows": 1})


def test_rows_too_short_to_notice_a_disturbance_are_counted(study):
    for device in (TORCH, ONNX):
        study.save("teacher+even1", device, ms=0.5, foreign=0.9)
    assert only(study) == (("short_timings",), {"rows": 2})


@pytest.mark.parametrize(("isa", "variants"), [("avx2", []), ("avx512", []), ("avx512_vnni", ["teacher+int8"])])
def test_a_graph_made_for_another_processor_than_the_measuring_one_is_said_once(tmp_path, isa, variants):
    study = SavedStudy(tmp_path, "teacher", "teacher+int8", seeds=(1, 2))
    for seed in (1, 2):
        study.train("teacher+int8", seed, form="onnx", isa=isa)
    assert [(warning.kind, warning.facts["variant"]) for warning in warn(study)] == [("kernel_mismatch", each) for each in variants]


def test_settings_that_were_set_to_their_defaults_are_listed():
    settings = ["hidden_act: gelu_new", "dropout: 0.3"]
    (warning,) = of_encoder({"normalised": settings})
    assert (warning.kind, warning.facts) == ("encoder_settings", {"settings": settings})
    assert all(setting in warning.text for setting in settings)
    assert of_encoder({}) == of_encoder({"normalised": []}) == []
