"""Every two variants of a group are tested against each other on the same examples, and the sentences say no more than the tests."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from saved_rows import ONNX, TORCH, SavedStudy

GROUP = ["lora4", "teacher", "teacher+even1"]


@pytest.fixture
def study(tmp_path):
    """LoRA errs on 5 of the teacher's 20 examples; the student on 22 more than the teacher."""
    study = SavedStudy(tmp_path, *GROUP, "teacher+int8", compare=[GROUP])
    study.save("lora4", TORCH, wrong=range(5))
    study.save("teacher+even1", TORCH, wrong=range(42), ratios=2.0, size_mb=3.0)
    return study


def test_every_two_of_a_group_are_compared_once_on_a_device_that_both_have(study):
    pairs = study.summarize().pairs
    assert pairs[["variant", "other"]].to_numpy().tolist() == [
        ["lora4", "teacher"],
        ["lora4", "teacher+even1"],
        ["teacher", "teacher+even1"],
    ]
    assert set(pairs["device"]) == {TORCH}


def test_a_pair_that_only_one_device_runs_is_compared_there(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+int8", compare=[["teacher", "teacher+int8"], ["teacher", "teacher+int8"]])
    assert study.summarize().pairs["device"].tolist() == [ONNX]


def test_differences_are_those_of_the_scores_and_p_values_are_corrected_for_the_pairs(study):
    pairs = study.summarize().pairs
    assert pairs["difference"].tolist() == pytest.approx([0.075, 0.185, 0.11])
    assert pairs["p_holm"].tolist() == pytest.approx(multipletests(pairs["p_value"], method="holm")[1], rel=1e-4)
    z = [wrong / np.sqrt(wrong - wrong**2 / 200) for wrong in (15, 37, 22)]
    assert [norm.isf(p / 2) for p in pairs["p_value"]] == pytest.approx(z, rel=0.06)  # the bootstrap draws 1,000 times
    assert ((pairs["difference_ci_low"] > 0) == (pairs["p_holm"] < 0.05)).all()


def test_costs_are_those_of_the_table_for_both(study):
    written = study.summarize()
    pair = written.pairs.iloc[2]
    rows = written.aggregate[written.aggregate["device"] == TORCH].set_index("variant")
    for name in ("training_seconds", "training_steps", "trained_parameters", "training_memory_mb", "size_mb", "speedup"):
        assert pair[name] == rows.loc["teacher", name]
        assert pair[f"other_{name}"] == rows.loc["teacher+even1", name]


def test_codes_say_which_is_better_and_which_is_faster_and_the_sentence_says_what_both_cost(study):
    written = study.summarize()
    pairs = written.pairs.set_index(["variant", "other"])
    pair, teacher = pairs.loc["lora4", "teacher+even1"], pairs.loc["teacher", "teacher+even1"]
    assert pair["verdict_kinds"] == "gain training_costs slower"
    assert [part["kinds"] for part in written.facts["comparisons"][1]] == [["gain"], ["training_costs"], ["slower"]]
    assert f"- {pair['verdict']}\n" in written.markdown
    assert "rises by 18.5 points (" in pair["verdict"] and "p < 0.001" in pair["verdict"]
    training = ("60 against 90 steps", "60 against 90 s", "0.006M against 0.003M", "600 MB")
    running = ("1 (baseline) against 2.00x (2.00–2.00)", "4 against 3 MB")
    assert [cost for cost in training + running if cost not in teacher["verdict"]] == []


def test_codes_are_about_the_first_of_the_two(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", compare=[["teacher+even1", "teacher"]])
    study.save("teacher+even1", TORCH, wrong=range(80), ratios=2.0)
    assert study.summarize().pairs["verdict_kinds"].tolist() == ["drop training_costs faster"]


def test_what_the_tests_do_not_tell_apart_the_sentences_do_not_either(tmp_path):
    study = SavedStudy(tmp_path, "lora4", "teacher", "teacher+even1", compare=[["teacher+even1", "lora4"]])
    study.save("teacher+even1", TORCH, wrong=range(2, 22))
    (pair,) = study.summarize().pairs.to_dict("records")
    assert pair["verdict_kinds"] == "not_significant training_costs speed_not_significant"
    assert "changes by 0.0 points (" in pair["verdict"] and "p = 1" in pair["verdict"]
    assert pair["verdict"].count("4 MB") == 1  # both are as large, so the size stands once


@pytest.mark.parametrize(("speedup", "kind"), [(2.0, "speed_not_significant"), (1.5, "slower"), (3.0, "faster")])
def test_ratios_without_any_spread_are_compared_as_they_are(tmp_path, speedup, kind):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+magnitude60", compare=[["teacher+even1", "teacher+magnitude60"]])
    study.save("teacher+even1", TORCH, ratios=[speedup] * 3)
    study.save("teacher+magnitude60", TORCH, ratios=[2.0] * 3)
    pairs = study.summarize().pairs
    assert pairs["speedup_ci_low"].isna().all()
    assert pairs["verdict_kinds"].tolist() == [f"not_significant training_costs {kind}"]


def test_several_seeds_count_as_in_every_other_test(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", seeds=(1, 2, 3), compare=[["teacher+even1", "teacher"]])
    for seed, mistakes in ((1, 25), (2, 24), (3, 29)):
        study.save("teacher+even1", TORCH, seed=seed, wrong=range(mistakes))
    written = study.summarize()
    row = written.aggregate.set_index(["variant", "device"]).loc["teacher+even1", TORCH]
    pair = written.pairs.iloc[0]
    names = ["difference", "difference_ci_low", "difference_ci_high", "p_value"]
    assert pair[names].tolist() == pytest.approx(row[names].tolist())


def test_a_study_that_compares_nothing_has_an_empty_table_and_no_section(tmp_path):
    written = SavedStudy(tmp_path, "teacher", "teacher+even1").summarize()
    assert written.pairs.empty
    assert "Compared with each other" not in written.markdown


def test_what_old_artifacts_did_not_record_is_left_out(study):
    for variant in ("teacher", "lora4"):
        file = study.root / f"results/mine/{variant}/seed1/model/provenance.json"
        file.write_text(file.read_text(encoding="utf-8").replace('"trained_parameters"', '"older"'), encoding="utf-8")
    written = study.summarize()
    assert np.isnan(written.aggregate.set_index(["variant", "device"]).loc[("teacher", TORCH), "trained_parameters"])
    both = written.pairs.set_index(["variant", "other"]).loc[("lora4", "teacher"), "verdict"]
    assert "60 steps" in both and "60 s" in both
    assert "0.006M" not in both and "600 MB" not in both


def test_the_cost_of_a_chain_is_its_last_training_its_sum_or_its_peak(tmp_path):
    row = SavedStudy(tmp_path, "teacher", "teacher+even1+magnitude60", "lora4+int8", "lora4").aggregate()
    chain = row.loc["teacher+even1+magnitude60", ONNX]
    assert chain[["training_steps", "trained_parameters", "training_memory_mb"]].tolist() == [60 + 30 + 20, 2000, 600]
    assert row["adapter_mb"].xs(ONNX, level="device").dropna().to_dict() == {"lora4": 0.5}
