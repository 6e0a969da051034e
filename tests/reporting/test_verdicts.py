"""Each rule speaks where its fact holds, and is silent or says otherwise where it does not."""

import pandas as pd
import pytest

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.verdicts import change_in_points, p_in_words, ratio_in_words, verdicts
from saved_rows import change, ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, runtime_alone=True) | change(None, None, None, None) | {"speedup_p_holm": None}
SURE = {"speedup_p_holm": 0.001}


def judge(row: dict, *others: dict) -> dict[str, Finding]:
    """Return by their main codes what the first row of a table shows."""
    findings = verdicts(pd.DataFrame([row, *others]))[0]
    assert len({finding.kind for finding in findings}) == len(findings)
    return {finding.kind: finding for finding in findings}


def faster(value: float, low: float, high: float) -> dict:
    """Return a row that compression makes so much faster in the baseline's runtime."""
    return sample(**ratio("speedup", value, low, high), **ratio("speedup_compression", value, low, high), **SURE)


def test_a_row_that_differs_in_nothing_is_significant_in_nothing():
    assert list(judge(sample())) == ["not_significant", "kept", "speed_not_significant"]


def test_only_the_baseline_is_called_so():
    assert list(judge(BASELINE)) == ["baseline"]
    assert "baseline" not in judge(sample())


def test_why_a_row_cannot_win_is_said():
    excluded = {"why_excluded": "it is poor; it is slow", "excluded_kinds": "beyond_budget no_better_than_constant"}
    reason = judge(sample(**excluded))["cannot_win"]
    assert reason.also == ("beyond_budget", "no_better_than_constant")
    assert excluded["why_excluded"] in reason.text
    assert "cannot_win" not in judge(sample())


def test_a_ratio_without_an_interval_is_shown_without_one():
    assert ratio_in_words(sample(**ratio("speedup", 2.0, None, None)), "speedup") == "2.00x"
    assert ratio_in_words(sample(**ratio("speedup", 1.94, 1.88, 2.013)), "speedup") == "1.94x (1.88–2.01)"


def test_a_change_is_shown_in_points_with_signs_and_a_p_value_with_two_digits():
    assert change_in_points(change(-0.013, -0.029, 0.0042, 0.14), "difference") == "drops by 1.3 points (95 % CI -2.9 to +0.4)"
    assert change_in_points(change(0.0204, 0.01, 0.03, 0.01), "difference") == "rises by 2.0 points (95 % CI +1.0 to +3.0)"
    assert change_in_points(change(-0.0001, -0.0003, 0.0, 0.9), "difference") == "changes by 0.0 points (95 % CI 0.0 to 0.0)"
    assert [p_in_words(value) for value in (0.0009, 0.001, 0.034, 1.0)] == ["p < 0.001", "p = 0.001", "p = 0.034", "p = 1"]


def test_equal_predictions_are_no_change():
    assert "same_predictions" in judge(sample(agreement=1.0))
    assert "same_predictions" not in judge(sample(agreement=0.9999))


def test_a_difference_within_chance_is_not_significant():
    shown = judge(sample(**change(-0.013, -0.029, 0.004, 0.14)))
    assert list(shown) == ["not_significant", "open", "speed_not_significant"]
    assert "drops by 1.3 points (95 % CI -2.9 to +0.4): not significant" in shown["not_significant"].text


@pytest.mark.parametrize(("value", "kind"), [(-0.05, "drop"), (0.05, "gain")])
def test_a_difference_beyond_chance_is_a_drop_or_a_gain(value, kind):
    assert next(iter(judge(sample(**change(value, value - 0.02, value + 0.02, 0.0002))))) == kind
    assert next(iter(judge(sample(**change(value, value - 0.06, value + 0.06, 0.051))))) == "not_significant"


@pytest.mark.parametrize(
    ("ends", "kind", "figures"),
    [
        ((-0.009, 0.003), "kept", ("0.9 points", "1 point")),
        ((-0.02, 0.001), "open", ("2.0 points", "1 point")),
        ((-0.05, -0.02), "exceeded", ("2.0 points", "1 point")),
        ((0.002, 0.01), "kept", ("there is no drop",)),
        ((-0.01004, 0.0), "open", ("1.004 points",)),
        ((-0.00996, 0.0), "kept", ("0.996 points",)),
    ],
)
def test_the_budget_is_kept_open_or_exceeded_with_the_bound_that_says_so(ends, kind, figures):
    shown = judge(sample(**change(sum(ends) / 2, *ends, 0.3)))
    assert {"kept", "open", "exceeded"} & set(shown) == {kind}
    assert all(figure in shown[kind].text for figure in figures)


@pytest.mark.parametrize(
    ("settled", "words"),
    [(("examples", 3.14), "3.1 times as large"), (("seeds", 2.4), "8 seeds"), ((None, None), "too near to the budget")],
)
def test_what_would_settle_an_open_budget_is_said(settled, words):
    row = sample(seeds=3, **change(-0.005, -0.02, 0.01, 0.3)) | dict(zip(("settled_by", "settled_times"), settled, strict=True))
    assert words in judge(row)["open"].text


def test_a_metric_of_two_words_is_written_as_people_write_it():
    assert judge(sample(metric="macro_f1"))["not_significant"].text.startswith("Macro f1 ")


def test_what_the_teacher_adds_is_said_of_the_student_that_has_a_control():
    added = {"against_control": 0.02, "against_control_ci_low": -0.01, "against_control_ci_high": 0.05, "against_control_p_holm": 0.2}
    assert "rises by 2.0 points (95 % CI -1.0 to +5.0)" in judge(sample(**added))["against_control_not_significant"].text
    sure = added | {"against_control_p_holm": 0.01}
    assert "against_control_gain" in judge(sample(**sure))
    assert "against_control_drop" in judge(sample(**sure | {"against_control": -0.02}))
    assert not [kind for kind in judge(sample()) if "control" in kind]


def test_what_a_row_differs_in_from_its_control_depends_on_the_technique():
    techniques = ("distill", "shrink", "lora", "prune", "qat")
    added = {"against_control": 0.02, "against_control_ci_low": 0.01, "against_control_ci_high": 0.05, "against_control_p_holm": 0.01}
    texts = {name: judge(sample(**added, technique=name))["against_control_gain"].text for name in (*techniques, "quantize", "trim")}
    assert len(set(texts.values())) == len(techniques)
    assert texts["qat"] == texts["quantize"] == texts["trim"]


def test_an_interval_that_includes_1_is_no_gain_in_speed():
    speed = judge(faster(1.3, 0.9, 1.88) | {"speedup_p_holm": 0.2})["speed_not_significant"]
    assert speed.also == ("by_compression",)
    assert "1.30x (0.90–1.88)" in speed.text


def test_a_speedup_that_nobody_would_notice_is_no_gain_however_sure():
    assert "speed_negligible" in judge(faster(1.01, 1.008, 1.012))
    assert "speed_negligible" in judge(faster(0.98, 0.978, 0.982))
    assert "faster" in judge(faster(1.05, 1.048, 1.052))


def test_a_sure_speedup_is_said_with_its_interval():
    shown = judge(faster(1.94, 1.88, 2.01))
    assert "1.94x (1.88–2.01)" in shown["faster"].text
    assert "runtime_factor" not in shown


def test_a_slower_row_is_called_slower():
    shown = judge(faster(0.8, 0.75, 0.85))
    assert "0.80x (0.75–0.85)" in shown["slower"].text
    assert "faster" not in shown


def test_what_the_runtime_alone_brings_is_no_merit_of_compression():
    row = faster(1.0, 0.98, 1.02) | {"speedup_p_holm": 0.9} | ratio("speedup_runtime", 5.4, 5.1, 5.7) | ratio("speedup", 5.4, 5.0, 5.8)
    shown = judge(row)
    assert shown["speed_not_significant"].also == ("by_compression",)
    assert "5.40x (5.10–5.70)" in shown["runtime_factor"].text
    assert "faster" not in shown


def test_both_factors_and_their_product_are_said():
    row = faster(2.0, 1.9, 2.1) | ratio("speedup_runtime", 3.0, 2.9, 3.1) | ratio("speedup", 6.0, 5.6, 6.4)
    shown = judge(row)
    assert "2.00x (1.90–2.10)" in shown["faster"].text and "6.00x (5.60–6.40)" in shown["faster"].text
    assert "3.00x (2.90–3.10)" in shown["runtime_factor"].text


def test_a_move_to_another_runtime_is_judged_by_the_runtime():
    moved = sample(variant="teacher", runtime_alone=True, **ratio("speedup_runtime", 5.4, 5.1, 5.7), **SURE)
    shown = judge(moved)
    assert shown["faster"].also == ("by_runtime",)
    assert "5.40x (5.10–5.70)" in shown["faster"].text
    assert "runtime_factor" not in shown
    assert judge(moved | ratio("speedup_runtime", 0.5, 0.4, 0.6))["slower"].also == ("by_runtime",)


def test_a_runtime_that_gains_nothing_is_compared_with_the_baseline_itself():
    assert judge(sample(variant="teacher", runtime_alone=True))["speed_not_significant"].also == ("by_runtime",)


def test_zeros_shrink_only_the_compressed_file_and_gain_nothing_on_dense_kernels():
    row = sample(matrix_zeros_share=0.9, compressed_mb=12.5, size_mb=40.0, **ratio("speedup_compression", 1.02, 0.97, 1.07))
    sparse = judge(row)["sparse"]
    assert sparse.also == ("zeros_save_no_time",)
    assert all(figure in sparse.text for figure in ("90%", "12.5 MB of 40", "1.02x (0.97–1.07)"))


@pytest.mark.parametrize(
    "changes",
    [ratio("speedup_compression", 1.4, 1.3, 1.5) | SURE, {"noisy": True}, {"speedup_precision": 2.0}, {"speedup_depth": 2.0}],
    ids=["faster", "disturbed", "quantized as well", "with fewer layers"],
)
def test_zeros_are_not_said_to_gain_nothing_in_a_row_that_is(changes):
    assert judge(sample(matrix_zeros_share=0.9, **changes))["sparse"].also == ()


def test_a_few_zeros_are_not_worth_a_word():
    assert "sparse" not in judge(sample(matrix_zeros_share=0.05))
    assert "sparse" not in judge(sample(matrix_zeros_share=float("nan")))


def test_the_share_of_integer_products_is_said():
    assert "75%" in judge(sample(integer_products_share=0.75))["integer_matmuls"].text
    assert "integer_matmuls" not in judge(sample())


BETTER = sample(variant="teacher+even1", size_mb=20.0, **ratio("speedup", 1.5, 1.4, 1.6))


def test_a_dominated_row_names_the_better_one():
    dominated = judge(sample(), BETTER)["dominated"]
    assert dominated.facts == {"by": "teacher+even1"}
    assert "teacher+even1" in dominated.text
    assert "dominated" not in judge(BETTER, sample())


@pytest.mark.parametrize(
    "worse",
    [
        {"can_win": False},
        {"score": 0.89},
        {"size_mb": 41.0},
        {"device": "cpu-onnxruntime"},
        ratio("speedup", 1.5, 0.9, 2.5),
        {"size_mb": 39.0} | ratio("speedup", 1.0, 1.0, 1.0),
    ],
    ids=["cannot win", "scores less", "larger", "elsewhere", "perhaps slower", "hardly smaller"],
)
def test_no_row_is_dominated_by_one_that(worse):
    assert "dominated" not in judge(sample(), BETTER | worse)


def test_of_several_better_rows_the_best_is_named():
    best = BETTER | {"variant": "teacher+even2", "score": 0.91}
    assert judge(sample(), BETTER, best)["dominated"].facts == {"by": "teacher+even2"}


def test_nothing_dominates_the_baseline_as_a_reference():
    assert "dominated" not in judge(BASELINE, BETTER)


def test_noise_is_said():
    assert "31%" in judge(sample(noisy=True, foreign_cpu_share=0.31))["noisy"].text
    assert "noisy" not in judge(sample(foreign_cpu_share=0.05))
    assert "off" in (text := judge(sample(noisy=True, clock_gap=0.12))["noisy"].text) and "12%" in text
