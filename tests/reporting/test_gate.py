"""Clauses of the release gate have the figures that one counts by hand, and a row passes where their bounds keep all limits."""

import json

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from statsmodels.stats.proportion import proportion_confint

from conftest import ROOT
from encoder_compression.config import schema
from encoder_compression.errors import UserError
from encoder_compression.reporting import gate, gate_words
from encoder_compression.reporting.gate_content import verdict_of
from saved_rows import CHOSEN, GATE, LABELS, ONNX, TORCH, SavedStudy

SCHEMA = schema.read(ROOT / "workflow" / "schemas" / "gate.schema.yaml")
BAD, GOOD = np.flatnonzero(LABELS == 0), np.flatnonzero(LABELS == 1)


def gate_of(study: SavedStudy, **options) -> dict[tuple[str, str], dict]:
    """Return the rows of the gate with these clauses alone."""
    table = study.table()
    rows = gate.release_gate(table, table.over_seeds, options)["rows"]
    return {(row["variant"], row["device"]): row for row in rows}


def clause_of(study: SavedStudy, name: str, options: dict, variant: str = "teacher+even1") -> dict:
    clauses = gate_of(study, **{name: options})[variant, TORCH]["clauses"]
    return next(clause for clause in clauses if clause["clause"] == name)


def exact(count: int, examples: int) -> tuple[float, float]:
    """Return Clopper's and Pearson's one-sided 95 % bounds of a share."""
    return proportion_confint(count, examples, alpha=0.1, method="beta")


def bounds(clause: dict) -> tuple[float, float]:
    return clause["lower_bound"], clause["upper_bound"]


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    """180 of 200 right in every row."""
    return SavedStudy(tmp_path, "teacher", "teacher+even1")


@pytest.mark.parametrize(("least", "verdict"), [(0.85, "kept"), (0.861, "open"), (0.9, "open"), (0.932, "open"), (0.94, "exceeded")])
def test_accuracy_is_kept_above_its_exact_lower_bound_and_exceeded_below_the_upper_one(study, least, verdict):
    clause = clause_of(study, "metric", {"at_least": least})
    assert (clause["value"], clause["at_least"]) == (0.9, least)
    assert bounds(clause) == pytest.approx(exact(180, 200), abs=0.003)  # 85.8 % and 93.3 %
    assert clause["verdict"] == verdict


def test_a_score_that_is_no_share_has_the_bounds_that_the_budget_would_have(tmp_path):
    study = SavedStudy(tmp_path, "teacher", task="regression", metric="pearson")
    clause = clause_of(study, "metric", {"at_least": 0.8}, variant="teacher")
    assert clause["value"] == pytest.approx(0.8)  # of equal classes twice the accuracy less 1; 10 of each are wrong
    spread = 2 * np.sqrt(0.9 * 0.1 / 200)
    assert bounds(clause) == pytest.approx((0.8 - 1.645 * spread, 0.8 + 1.645 * spread), abs=0.006)


def test_recall_is_counted_beyond_the_threshold_of_validation(study):
    """70 of 100 good ones and 4 of 100 bad ones lie beyond the odds of 1.5 that validation chose."""
    odds = np.zeros(200)
    odds[GOOD[:70]], odds[BAD[:4]] = 2.0, 1.6
    chosen = {"recall_threshold": {"label": "good", "false_positive_rate": 0.05, "log_odds": 1.5}}
    study.save("teacher+even1", TORCH, logits=np.stack([-odds / 2, odds / 2], axis=1), **chosen)
    for variant, device in [key for key in study.groups if key != ("teacher+even1", TORCH)]:
        study.save(variant, device, **chosen)
    clause = clause_of(study, "recall", {"label": "good", "false_positive_rate": 0.05, "at_least": 0.6})
    assert (clause["value"], clause["test_false_positive_rate"], clause["log_odds"]) == (0.7, 0.04, [1.5])
    assert bounds(clause) == pytest.approx(exact(70, 100), abs=0.006)
    assert clause["verdict"] == "kept"
    assert study.table().by_seed["recall_threshold"].eq(1.5).all()


def test_a_threshold_of_another_rate_is_refused(study):
    for variant, device in study.groups:
        study.save(variant, device, **CHOSEN)
    with pytest.raises(
        UserError, match=r"has no threshold for gate.recall of class 'good'; measure it anew: snakemake with --forcerun measure"
    ):
        gate_of(study, recall=GATE["recall"] | {"false_positive_rate": 0.2})


def test_without_a_negative_in_validation_a_recall_is_not_known_and_open(study):
    for variant, device in study.groups:
        study.save(variant, device, recall_threshold=CHOSEN["recall_threshold"] | {"log_odds": None})
    clause = clause_of(study, "recall", GATE["recall"])
    assert (clause["value"], *bounds(clause), clause["verdict"]) == (None, None, None, "open")


def test_the_worst_slice_is_the_one_of_least_right_examples(study):
    """40 bad ones are wrong, so their recall is 60 %; of the 40 longest sentences 16 are wrong, but a slice of 40 is too small."""
    study.save("teacher+even1", TORCH, wrong=BAD[:40])
    options = {"at_least": 0.4, "examples": 50}
    clause = clause_of(study, "worst_slice", options)
    assert (clause["value"], clause["slice"], clause["examples"], clause["verdict"]) == (0.6, "label: bad", 100, "kept")
    assert clause["lower_bound"] == pytest.approx(exact(60, 100)[0], abs=0.006)
    three_slices = proportion_confint(60, 100, alpha=2 * 0.05 / 3, method="beta")  # all lengths, bad, good
    assert clause["upper_bound"] == pytest.approx(three_slices[1], abs=0.006)


def test_slices_of_few_examples_do_not_count(study):
    study.save("teacher+even1", TORCH, wrong=BAD[:40])
    whole = clause_of(study, "worst_slice", {"at_least": 0.4, "examples": 101})
    assert (whole["value"], whole["examples"]) == (0.8, 200)
    none = clause_of(study, "worst_slice", {"at_least": 0.4, "examples": 201})
    assert (none["value"], none["verdict"]) == (None, "open")


def test_the_calibration_error_is_that_of_the_table(study):
    """Confidence of 88.1 % (log-odds of 2) where 50 % are right."""
    study.save("teacher+even1", TORCH, wrong=range(100))
    off = clause_of(study, "calibration_error", {"at_most": 0.2})
    assert off["value"] == pytest.approx(1 / (1 + np.exp(-2)) - 0.5, abs=1e-6)
    assert off["verdict"] == "exceeded" and off["lower_bound"] > 0.3 and off["upper_bound"] < 0.45
    near = clause_of(study, "calibration_error", {"at_most": 0.06}, variant="teacher")  # of 90 % right
    assert near["value"] == pytest.approx(0.9 - 1 / (1 + np.exp(-2)), abs=1e-6)
    assert (near["lower_bound"], near["verdict"]) == (0, "kept")


def test_agreement_is_with_the_baseline_which_has_no_such_clause(study):
    study.save("teacher+even1", TORCH, wrong=range(10, 24))  # 10 newly right, 4 newly wrong
    rows = gate_of(study, agreement={"at_least": 0.9})
    named = {key: [clause["clause"] for clause in row["clauses"]] for key, row in rows.items()}
    assert named["teacher", TORCH] == ["constant"]
    assert named["teacher", ONNX] == named["teacher+even1", TORCH] == ["constant", "budget", "agreement"]
    clause = rows["teacher+even1", TORCH]["clauses"][-1]
    assert clause["value"] == 186 / 200
    assert bounds(clause) == pytest.approx(exact(186, 200), abs=0.005)
    alike = rows["teacher+even1", ONNX]["clauses"][-1]
    assert bounds(alike) == (pytest.approx(0.05 ** (1 / 200)), 1)


def test_of_questions_whole_articles_are_right_or_wrong(tmp_path):
    """Four of 20 articles, each of ten questions, are answered wrong: as much is known as of 20 questions, also within a slice."""
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", task="question-answering", metric="exact_match")
    articles = np.repeat(np.arange(20), 10)
    answers = ["Anna" if number % 2 else "to her" for number in range(200)]
    for variant, device in study.groups:
        wrong = articles < 4 if variant == "teacher+even1" else np.zeros(200, bool)
        given = ["no" if missed else answer for missed, answer in zip(wrong, answers, strict=True)]
        columns = {"label": [[answer] for answer in answers], "prediction": given, "tokens": [8] * 200, "group": articles.astype(str)}
        pd.DataFrame(columns).to_parquet(study.root / f"results/mine/{variant}/seed1/{device}/predictions.parquet")
    few = exact(16, 20)
    for name in ("metric", "agreement"):
        clause = clause_of(study, name, {"at_least": 0.4})
        assert (clause["value"], clause["verdict"]) == (0.8, "kept")
        assert bounds(clause) == pytest.approx(few, abs=0.03)
    part = clause_of(study, "worst_slice", {"at_least": 0.4, "examples": 50})
    assert part["value"] == 0.8
    assert part["lower_bound"] == pytest.approx(few[0], abs=0.03)


def test_figures_are_means_over_seeds_and_seeds_that_differ_widen_the_bounds(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", seeds=(1, 2, 3))
    alike = clause_of(study, "metric", {"at_least": 0.8})
    for seed, wrong in ((1, 0), (2, 20), (3, 43)):
        study.save("teacher+even1", TORCH, seed=seed, wrong=range(wrong))
    apart = clause_of(study, "metric", {"at_least": 0.8})
    assert alike["value"] == apart["value"] == pytest.approx(1 - 21 / 200)
    assert apart["lower_bound"] < alike["lower_bound"] - 0.02
    assert (alike["verdict"], apart["verdict"]) == ("kept", "open")


def test_the_budget_is_a_clause_with_the_verdict_of_the_table(study):
    study.save("teacher+even1", TORCH, wrong=range(60))
    row, clause = study.aggregate().loc["teacher+even1", TORCH], gate_of(study)["teacher+even1", TORCH]["clauses"][1]
    assert (clause["clause"], clause["at_least"], clause["verdict"]) == ("budget", -0.01, "exceeded")
    assert (clause["value"], *bounds(clause)) == tuple(row[["difference", "change_above", "change_below"]])


def test_what_has_learnt_nothing_fails_whatever_the_budget(study):
    for device in (TORCH, ONNX):
        for variant in ("teacher", "teacher+even1"):
            study.save(variant, device, wrong=BAD)
    rows = gate_of(study)
    assert {row["verdict"] for row in rows.values()} == {"fail"}
    constant = rows["teacher+even1", TORCH]["clauses"][0]
    assert (constant["value"], constant["above"], constant["verdict"]) == (0.5, 0.5, "exceeded")


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        (["kept"], "pass"),
        (["kept", "open"], "open"),
        (["open", "exceeded", "kept"], "fail"),
        (["pass", "fail"], "fail"),
        (["open"], "open"),
    ],
)
def test_one_part_that_fails_decides_and_then_one_that_is_open(parts, verdict):
    assert verdict_of(parts) == verdict


def test_all_of_it_is_what_its_schema_says_and_stands_in_every_form_of_the_report(study):
    for variant, device in study.groups:
        study.save(variant, device, **CHOSEN)
    study.save("teacher+even1", TORCH, wrong=range(60), **CHOSEN)
    written = study.summarize(release_gate=GATE)
    content = json.loads(written.gate)
    assert list(Draft202012Validator(SCHEMA).iter_errors(content)) == []
    verdicts = {(row["variant"], row["device"]): row["verdict"] for row in content["rows"]}
    assert written.aggregate.set_index(["variant", "device"])["gate"].to_dict() == verdicts
    assert verdicts["teacher+even1", TORCH] == content["verdict"] == "fail"
    section = written.markdown.partition("## Release gate")[2].partition("\n## ")[0]
    cells = gate_words.table(content)["rows"]
    assert [" | ".join(row) in section for row in cells] == [True] * 4
    assert section.splitlines()[2].startswith("| variant | device | gate | score above a constant's | budget | metric, at least 80 % |")
    card = (study.root / "results/mine/teacher+even1/seed1/model/README.md").read_text(encoding="utf-8")
    assert "“good” where its log-odds against all other classes exceed them" in card and f"\n- {TORCH}: 0.25\n" in card
    page = written.page.partition("<script")[0]
    assert page.count("gate: fail</span>") == list(verdicts.values()).count("fail") and "<h2>Release gate</h2>" in page


def test_without_clauses_of_its_own_a_study_has_the_gate_of_its_budget_and_no_table(study):
    written = study.summarize()
    content = json.loads(written.gate)
    assert list(Draft202012Validator(SCHEMA).iter_errors(content)) == []
    assert {clause["clause"] for row in content["rows"] for clause in row["clauses"]} == {"constant", "budget"}
    assert "Release gate" not in written.markdown and "<h2>Release gate</h2>" not in written.page and "gate" not in written.aggregate


def test_what_is_no_such_gate_is_refused_by_the_schema(study):
    table = study.table()
    content = gate.release_gate(table, table.over_seeds, {"metric": {"at_least": 0.8}})
    content["rows"][0]["clauses"][1]["at_most"] = 0.9
    content["rows"][1]["verdict"] = "kept"
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(content))) == 2
