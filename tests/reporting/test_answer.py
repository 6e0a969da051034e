"""The engineer's question is answered per device, from rows within the budget that have learnt something."""

import pandas as pd

from encoder_compression.reporting.answer import answers
from encoder_compression.reporting.standing import Limits, exclusions
from saved_rows import change, ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, agreement=1.0, size_mb=100.0, **ratio("speedup", 1.0, None, None))
BASELINE |= change(None, None, None, None)
SMALL = sample(variant="small", size_mb=10.0, **ratio("speedup", 1.2, 1.1, 1.3), **change(-0.004, -0.009, 0.001, 0.3))
FAST = sample(variant="fast", size_mb=50.0, **ratio("speedup", 4.0, 3.8, 4.2), **change(-0.008, -0.02, 0.004, 0.3))


def ask(*rows: dict, points: float = 1) -> dict:
    return answers(judged(rows, points), Limits(points=points, retained=None), {})[0]


def judged(rows, points: float) -> pd.DataFrame:
    """Return a table whose rows can win as the budget and their own "can_win" say."""
    reasons = [exclusions(row, Limits(points=points, retained=None)) for row in rows]
    return pd.DataFrame(rows).assign(can_win=[row["can_win"] and not each for row, each in zip(rows, reasons, strict=True)])


def test_the_smallest_and_the_fastest_row_are_named_with_their_figures():
    answer = ask(BASELINE, SMALL, FAST)
    assert answer["smallest"].startswith("small, 10 MB, accuracy -0.4 points (-0.9 to +0.1)")
    assert answer["fastest"].startswith("fast, 4.00x (3.80–4.20), accuracy -0.8 points (-2.0 to +0.4)")


def test_an_interval_beyond_the_budget_is_said():
    answer = ask(BASELINE, SMALL, FAST)
    assert answer["fastest"].endswith("; the interval reaches beyond the budget")
    assert "budget" not in answer["smallest"]
    assert "budget" not in ask(BASELINE, SMALL, FAST, points=3)["fastest"]


def test_a_row_beyond_the_budget_wins_nothing():
    assert ask(BASELINE, SMALL, FAST, points=0.5)["fastest"].startswith("small,")


def test_a_row_that_cannot_win_does_not():
    answer = ask(BASELINE, SMALL | {"can_win": False}, FAST | {"can_win": False}, points=50)
    assert answer["smallest"] == "teacher, 100 MB, the baseline itself"
    assert answer["fastest"] == "teacher, nothing is surely faster, the baseline itself"


def test_of_rows_equally_fast_the_best_is_taken_and_the_others_are_named():
    twin = FAST | {"variant": "better", "score": 0.91} | ratio("speedup", 3.9, 3.7, 4.1)
    answer = ask(BASELINE, SMALL, FAST, twin)["fastest"]
    assert answer.startswith("better, 3.90x (3.70–4.10)")
    assert answer.endswith("(not distinguishable in speed: fast)")
    assert "not distinguishable" not in ask(BASELINE, SMALL, FAST, twin | ratio("speedup", 3.0, 2.9, 3.1))["fastest"]


def test_of_files_equally_large_the_best_is_taken_and_the_others_are_named():
    twin = SMALL | {"variant": "better", "score": 0.91, "size_mb": 10.05}
    answer = ask(BASELINE, SMALL, FAST, twin)["smallest"]
    assert answer.startswith("better, 10.1 MB")
    assert answer.endswith("(not distinguishable in size: small)")
    assert ask(BASELINE, SMALL, FAST, twin | {"size_mb": 10.5})["smallest"].startswith("small,")


def test_a_row_with_an_interval_that_holds_1_is_not_surely_faster():
    answer = ask(BASELINE | {"score": 0.95}, FAST | ratio("speedup", 1.2, 0.9, 1.6))["fastest"]
    assert answer == "teacher, nothing is surely faster, the baseline itself (not distinguishable in speed: fast)"


def test_a_row_with_the_baselines_predictions_loses_nothing():
    assert ask(BASELINE, FAST | {"agreement": 1.0})["fastest"] == "fast, 4.00x (3.80–4.20), with the baseline's predictions"


def test_when_nothing_fits_it_says_so():
    answer = ask(SMALL, FAST, points=0.1)
    assert answer["smallest"] == answer["fastest"] == "none: no variant that has learnt something loses at most 0.1 points"


def test_every_device_has_an_answer_of_its_own():
    there = [row | {"device": "cuda-pytorch"} for row in (BASELINE, SMALL)]
    found = answers(judged([BASELINE, FAST, *there], 1), Limits(points=1, retained=None), {})
    assert [(one["device"], one["fastest"].split(",")[0]) for one in found] == [("cpu-pytorch", "fast"), ("cuda-pytorch", "small")]


def test_a_row_that_uses_up_the_whole_budget_is_within_it():
    assert ask(BASELINE, FAST | change(178 / 200 - 180 / 200, -0.02, 0.0, 0.5))["fastest"].startswith("fast")
