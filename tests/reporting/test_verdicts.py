"""Each rule speaks where its fact holds, and is silent or says otherwise where it does not."""

import pandas as pd
import pytest

from encoder_compression.reporting.verdicts import verdicts
from saved_rows import change, ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, runtime_alone=True) | change(None, None, None, None) | {"speedup_p_holm": None}
SURE = {"speedup_p_holm": 0.001}


def say(row: dict, *others: dict) -> str:
    """Return the verdict on the first row of a table."""
    return verdicts(pd.DataFrame([row, *others]))[0]


def faster(value: float, low: float, high: float) -> dict:
    """Return a row that compression makes so much faster in the baseline's runtime."""
    return sample(**ratio("speedup", value, low, high), **ratio("speedup_compression", value, low, high), **SURE)


def test_only_the_baseline_is_called_so():
    assert say(BASELINE) == "The baseline: all other rows are compared with it."
    assert "The baseline:" not in say(sample())


def test_why_a_row_cannot_win_is_said():
    assert "It cannot win: it predicts the same for every sentence." in say(sample(why_excluded="it predicts the same for every sentence"))
    assert "win" not in say(sample())


def test_a_ratio_without_an_interval_is_shown_without_one():
    row = sample(**ratio("speedup", 2.0, None, None), **ratio("speedup_compression", 2.0, None, None), **SURE)
    assert "Faster by compression: 2.00x." in say(row)


def test_equal_answers_are_not_distinguishable():
    assert "Accuracy is not distinguishable: it gives the baseline's prediction for every sentence." in say(sample(agreement=1.0))


def test_a_difference_within_chance_is_not_distinguishable():
    said = say(sample(**change(-0.013, -0.029, 0.004, 0.14)))
    assert "Accuracy -1.3 points (-2.9 to +0.4): not distinguishable from the baseline (p = 0.14)." in said
    assert "loss" not in said


def test_a_loss_that_only_the_correction_for_many_rows_makes_unsure_is_not_hidden():
    """Three seeds and twenty rows: -30.7 points with an interval far from 0 had a corrected p-value of 0.44."""
    said = say(sample(**change(-0.307, -0.5, -0.113, 0.44)))
    assert (
        "-30.7 points (-50.0 to -11.3): a loss by itself, but not beyond chance among so many rows; more seeds can tell (p = 0.44)." in said
    )


@pytest.mark.parametrize(("value", "word"), [(-0.05, "a loss (p < 0.001)"), (0.05, "a gain (p < 0.001)")])
def test_a_difference_beyond_chance_is_a_loss_or_a_gain(value, word):
    said = say(sample(**change(value, value - 0.02, value + 0.02, 0.0002)))
    assert word in said
    assert "baseline (p" not in said


def test_a_metric_of_two_words_is_written_as_people_write_it():
    assert say(sample(metric="macro_f1")).startswith("Macro f1 +0.0 points")


def test_what_the_teacher_adds_is_said_of_the_student_that_has_a_control():
    found = {"against_control": 0.02, "against_control_ci_low": -0.01, "against_control_ci_high": 0.05, "against_control_p_holm": 0.2}
    change_by = "Distillation changes it by +2.0 points (-1.0 to +5.0) against the same student without a teacher: not dist"
    assert change_by in say(sample(**found))
    assert "without a teacher: a gain (p = 0.01)." in say(sample(**found | {"against_control_p_holm": 0.01}))
    assert "without a teacher: a loss (p = 0.01)." in say(sample(**found | {"against_control": -0.02, "against_control_p_holm": 0.01}))
    assert "Distillation" not in say(sample())
    quantized = say(sample(**found | {"technique": "quantize"}))
    assert "Rounding in training changes it by" in quantized and "against the same training without it" in quantized


def test_an_interval_that_includes_1_is_no_gain_in_speed():
    row = faster(1.3, 0.9, 1.88) | {"speedup_p_holm": 0.2}
    assert "No gain in speed by compression: not distinguishable" in say(row)
    assert "1.30x (0.90–1.88)" in say(row)
    assert "Faster" not in say(row)


def test_a_speedup_that_nobody_would_notice_is_no_gain_however_sure():
    assert "No gain in speed by compression: a difference below 3% is too little to matter (1.01x (1.01–1.01))" in say(
        faster(1.01, 1.008, 1.012)
    )
    assert "Faster" in say(faster(1.05, 1.048, 1.052))


def test_a_sure_speedup_is_said_with_its_interval():
    assert "Faster by compression: 1.94x (1.88–2.01)." in say(faster(1.94, 1.88, 2.01))
    assert "The runtime alone" not in say(faster(1.94, 1.88, 2.01))


def test_a_slower_row_is_called_slower():
    said = say(faster(0.8, 0.75, 0.85))
    assert "Slower by compression: 0.80x (0.75–0.85)." in said
    assert "Faster" not in said


def test_what_the_runtime_alone_brings_is_no_merit_of_compression():
    row = faster(1.0, 0.98, 1.02) | {"speedup_p_holm": 0.9} | ratio("speedup_runtime", 5.4, 5.1, 5.7) | ratio("speedup", 5.4, 5.0, 5.8)
    said = say(row)
    assert "No gain in speed by compression" in said
    assert "The runtime alone brings 5.40x (5.10–5.70)." in said
    assert "Faster" not in said


def test_both_factors_and_their_product_are_said():
    row = faster(2.0, 1.9, 2.1) | ratio("speedup_runtime", 3.0, 2.9, 3.1) | ratio("speedup", 6.0, 5.6, 6.4)
    assert "Faster by compression: 2.00x (1.90–2.10); 6.00x (5.60–6.40) in all. The runtime alone brings 3.00x" in say(row)


def test_a_move_to_another_runtime_is_judged_by_the_runtime():
    moved = sample(variant="teacher", runtime_alone=True, **ratio("speedup_runtime", 5.4, 5.1, 5.7), **SURE)
    assert "Faster by runtime: 5.40x (5.10–5.70)." in say(moved)
    assert "compression" not in say(moved)
    assert "Slower by runtime" in say(moved | ratio("speedup_runtime", 0.5, 0.4, 0.6))


def test_a_runtime_that_gains_nothing_is_not_compared_in_the_same_runtime():
    assert "in the same runtime" not in say(sample(variant="teacher", runtime_alone=True))


def test_zeros_shrink_only_the_compressed_file_and_gain_nothing_on_dense_kernels():
    said = say(sample(matrix_zeros_share=0.9, compressed_mb=12.5, size_mb=40.0, **ratio("speedup_compression", 1.02, 0.97, 1.07)))
    assert "90% of the weights of its layers are zero; the file shrinks only when compressed (to 12.5 MB of 40)" in said
    assert "and dense kernels gain nothing (1.02x (0.97–1.07))." in said


@pytest.mark.parametrize(
    "changes",
    [ratio("speedup_compression", 1.4, 1.3, 1.5) | SURE, {"noisy": True}, {"speedup_precision": 2.0}, {"speedup_depth": 2.0}],
    ids=["faster", "disturbed", "quantized as well", "with fewer layers"],
)
def test_zeros_are_not_said_to_gain_nothing_in_a_row_that_is(changes):
    said = say(sample(matrix_zeros_share=0.9, **changes))
    assert "90% of the weights of its layers are zero" in said
    assert "dense kernels" not in said


def test_a_few_zeros_are_not_worth_a_word():
    assert "zero" not in say(sample(matrix_zeros_share=0.05))


def test_the_share_of_integer_products_is_said():
    assert "75% of its matrix products run in INT8." in say(sample(integer_products_share=0.75))
    assert "INT8" not in say(sample())


BETTER = sample(variant="teacher+even1", size_mb=20.0, **ratio("speedup", 1.5, 1.4, 1.6))


def test_a_beaten_row_names_the_better_one():
    assert "teacher+even1 is no worse in accuracy, time and size, and better in one" in say(sample(), BETTER)
    assert "no reason" not in say(BETTER, sample())


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
def test_no_row_is_beaten_by_one_that(worse):
    assert "no reason" not in say(sample(), BETTER | worse)


def test_of_several_better_rows_the_best_is_named():
    assert "teacher+even2 is no worse" in say(sample(), BETTER, BETTER | {"variant": "teacher+even2", "score": 0.91})


def test_nothing_beats_the_baseline_as_a_reference():
    assert "no reason" not in say(BASELINE, BETTER)


def test_noise_is_said():
    assert "Other programs took up to 31% of the processors while it was measured" in say(sample(noisy=True, foreign_cpu_share=0.31))
    assert "Other programs" not in say(sample(foreign_cpu_share=0.05))
