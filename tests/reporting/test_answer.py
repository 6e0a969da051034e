"""The engineer's question is answered per device, from rows within the budget that have learnt something."""

import pandas as pd

from encoder_compression.reporting.answer import answers
from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.standing import exclusions
from encoder_compression.statistics.loss_budget import Decision
from saved_rows import change, ratio, sample

BASELINE = sample(variant="teacher", is_baseline=True, agreement=1.0, size_mb=100.0, **ratio("speedup", 1.0, None, None))
BASELINE |= change(None, None, None, None)
SMALL = sample(variant="small", size_mb=10.0, **ratio("speedup", 1.2, 1.1, 1.3), **change(-0.004, -0.009, 0.001, 0.3))
FAST = sample(variant="fast", size_mb=50.0, **ratio("speedup", 4.0, 3.8, 4.2), **change(-0.003, -0.008, 0.004, 0.3))
OPEN = change(-0.008, -0.02, 0.004, 0.3)


def ask(*rows: dict, points: float = 1, cautions: dict[str, Finding] | None = None) -> dict:
    return answers(judged(rows, points), cautions or {})[0]


def judged(rows, points: float) -> pd.DataFrame:
    """Return a table whose rows can win as the budget and their own "can_win" say."""
    rows = [row | {"allowed_points": points} for row in rows]
    decided = [None if row["is_baseline"] else Decision(points / 100, row["change_above"], row["change_below"]).verdict for row in rows]
    return pd.DataFrame(rows).assign(can_win=[row["can_win"] and not exclusions(row) for row in rows], budget=decided)


def winner(finding: Finding) -> tuple:
    """Return the main code of an answer, the variant, and those tied with it."""
    return finding.kind, finding.facts["variant"], finding.facts["tied"]


def test_the_smallest_and_the_fastest_row_are_named_with_their_figures():
    answer = ask(BASELINE, SMALL, FAST)
    assert winner(answer["smallest"]) == ("variant_wins", "small", [])
    assert winner(answer["fastest"]) == ("variant_wins", "fast", [])
    assert all(figure in answer["smallest"].text for figure in ("10 MB", "drops by 0.4 points (95 % CI -0.9 to +0.1)", "budget kept"))
    assert all(
        figure in answer["fastest"].text for figure in ("4.00x (3.80–4.20)", "drops by 0.3 points (95 % CI -0.8 to +0.4)", "budget kept")
    )
    assert answer["smallest"].also == answer["fastest"].also == ("kept",)


def test_a_row_that_kept_the_budget_comes_before_a_faster_one_that_leaves_it_open():
    answer = ask(BASELINE, SMALL, FAST | OPEN)["fastest"]
    assert (winner(answer), answer.also) == (("variant_wins", "small", []), ("kept", "open_rival"))
    assert answer.facts["open"] == "fast"
    assert all(
        figure in answer.text
        for figure in ("1.20x", "budget kept", "4.00x (3.80–4.20)", "drops by 0.8 points (95 % CI -2.0 to +0.4)", "budget open")
    )


def test_a_row_that_kept_the_budget_but_is_no_smaller_than_the_baseline_does_not_hide_an_open_one():
    sparse = SMALL | {"variant": "sparse", "size_mb": 100.0, "score": 0.91}
    assert winner(ask(BASELINE, sparse, SMALL | OPEN)["smallest"]) == ("variant_wins", "small", [])
    assert winner(ask(BASELINE, sparse)["smallest"]) == ("variant_wins", "sparse", ["teacher"])


def test_where_none_has_kept_the_budget_one_that_leaves_it_open_is_taken_and_called_so():
    answer = ask(BASELINE, SMALL | OPEN, FAST | OPEN)
    assert winner(answer["smallest"]) == ("variant_wins", "small", [])
    assert winner(answer["fastest"]) == ("variant_wins", "fast", [])
    assert answer["fastest"].also == ("open",) and "budget open" in answer["fastest"].text
    assert ask(BASELINE, SMALL | OPEN, FAST | OPEN, points=3)["fastest"].also == ("kept",)


def test_a_row_beyond_the_budget_wins_nothing():
    assert ask(BASELINE, SMALL, FAST | OPEN, points=0.5)["fastest"].facts["variant"] == "small"


def test_a_row_that_cannot_win_does_not():
    answer = ask(BASELINE, SMALL | {"can_win": False}, FAST | {"can_win": False}, points=50)
    assert winner(answer["smallest"]) == winner(answer["fastest"]) == ("baseline_wins", "teacher", [])
    assert "100 MB" in answer["smallest"].text


def test_of_rows_equally_fast_the_best_is_taken_and_the_others_are_named():
    twin = FAST | {"variant": "better", "score": 0.91} | ratio("speedup", 3.9, 3.7, 4.1)
    answer = ask(BASELINE, SMALL, FAST, twin)["fastest"]
    assert winner(answer) == ("variant_wins", "better", ["fast"])
    assert answer.also == ("kept", "tied")
    assert "3.90x (3.70–4.10)" in answer.text
    slower = ask(BASELINE, SMALL, FAST, twin | ratio("speedup", 3.0, 2.9, 3.1))["fastest"]
    assert winner(slower) == ("variant_wins", "fast", []) and "tied" not in slower.also


def test_of_files_equally_large_the_best_is_taken_and_the_others_are_named():
    twin = SMALL | {"variant": "better", "score": 0.91, "size_mb": 10.05}
    answer = ask(BASELINE, SMALL, FAST, twin)["smallest"]
    assert winner(answer) == ("variant_wins", "better", ["small"])
    assert answer.also == ("kept", "tied")
    assert "10.1 MB" in answer.text
    assert winner(ask(BASELINE, SMALL, FAST, twin | {"size_mb": 10.5})["smallest"]) == ("variant_wins", "small", [])


def test_a_row_with_an_interval_that_holds_1_is_not_surely_faster():
    answer = ask(BASELINE | {"score": 0.95}, FAST | ratio("speedup", 1.2, 0.9, 1.6))["fastest"]
    assert winner(answer) == ("baseline_wins", "teacher", ["fast"])
    assert answer.also == ("tied",)


def test_a_row_with_the_baselines_predictions_loses_nothing():
    answer = ask(BASELINE, FAST | {"agreement": 1.0})["fastest"]
    assert (winner(answer), answer.also) == (("variant_wins", "fast", []), ("same_predictions", "kept"))


def test_when_nothing_fits_it_says_so():
    answer = ask(SMALL, FAST, points=0.1)
    assert answer["smallest"] == answer["fastest"]
    assert answer["smallest"].kinds == ("no_winner", "none_within_limits")
    assert "0.1 points" in answer["smallest"].text


def test_where_no_row_has_learnt_anything_it_says_so():
    poor = [row | {"score": 0.5} for row in (SMALL, FAST)]
    assert ask(*poor)["fastest"].also == ("none_better_than_constant",)
    assert ask(*(row | {"seeds_of_one_class": 1} for row in poor))["fastest"].also == ("all_of_one_answer",)


def test_a_baseline_no_better_than_a_constant_leaves_no_answer_but_a_caution():
    caution = Finding("baseline_suspect", "Mind this.")
    answer = ask(BASELINE, SMALL, FAST, cautions={BASELINE["device"]: caution})
    assert answer["smallest"].kinds == answer["fastest"].kinds == ("no_winner", "baseline_no_better_than_constant")
    assert answer["caution"] is caution
    assert ask(BASELINE, SMALL, FAST)["caution"] is None


def test_every_device_has_an_answer_of_its_own():
    there = [row | {"device": "cuda-pytorch"} for row in (BASELINE, SMALL)]
    by_device = answers(judged([BASELINE, FAST, *there], 1), {})
    fastest = [(answer["device"], answer["fastest"].facts["variant"]) for answer in by_device]
    assert fastest == [("cpu-pytorch", "fast"), ("cuda-pytorch", "small")]


def test_a_row_that_uses_up_the_whole_budget_is_within_it():
    assert ask(BASELINE, FAST | change(178 / 200 - 180 / 200, -0.02, 0.0, 0.5))["fastest"].facts["variant"] == "fast"
