"""A search takes the fastest chain that keeps the contract, and beside it the fastest that surely does."""

import pytest

from encoder_compression.contract.clauses import Clauses, Screened, better_half, finalists, worth_training
from encoder_compression.study.chain import Chain


def screened(name: str, ms: float, points: float, *, above: float | None = None, mb: float = 10.0) -> Screened:
    """Return a chain that changes the score by so many points, and with 95 % confidence by more than ``above``."""
    worst = points - 0.1645 if above is None else above
    return Screened(Chain(name), 0.8 + points / 100, points / 100, worst / 100, ms, mb, 50.0)


SLOW = screened("teacher", 10, 0, above=0)
SURE = screened("teacher+int8", 4, -0.1, above=-0.6)
FAST = screened("teacher+layers3+int8", 2, -0.85)  # with 0.1 of standard error 0.95, with 95 % confidence 1.01
FASTER = screened("teacher+layers2+int8", 1, -1.7)


def test_finalists_are_the_fastest_that_keeps_the_contract_and_the_fastest_that_surely_does():
    assert finalists([SLOW, SURE, FAST, FASTER], Clauses(points=1)) == [FAST, SURE]


def test_where_these_are_one_the_next_fastest_that_keeps_it_is_the_second():
    assert finalists([SLOW, SURE, FASTER], Clauses(points=1)) == [SURE, SLOW]


def test_a_chain_that_keeps_the_loss_by_less_than_a_standard_error_does_not_count():
    lucky = screened("teacher+layers3+narrower50+int8", 1.5, -0.2, above=-0.2 - 1.645 * 0.84)
    assert lucky.cautious_change == pytest.approx(-0.0104, abs=1e-5)
    assert finalists([SLOW, SURE, FAST, lucky], Clauses(points=1)) == [FAST, SURE]
    assert finalists([SLOW, SURE, FAST, lucky], Clauses(points=1.1))[0] == lucky


def test_costs_rule_chains_out():
    assert finalists([SLOW, SURE, FAST, FASTER], Clauses(points=1, latency_ms=3))[0] == FAST
    assert finalists([SURE, screened("teacher+small", 5, -0.2, above=-0.3, mb=3)], Clauses(points=1, size_mb=5))[0].chain == "teacher+small"


def test_where_none_keeps_it_the_nearest_misses_are_taken():
    assert finalists([SLOW, SURE, FASTER], Clauses(points=0.05, latency_ms=3)) == [
        SURE,
        FASTER,
    ]  # 33 % too slow and 0.35 points too many, 1.75 points too many


@pytest.mark.parametrize(
    ("latency_ms", "above", "sure"),
    [(2.84, -1.0, True), (2.86, -1.0, False), (2.84, -1.01, False)],
)
def test_what_surely_keeps_a_contract_has_five_percent_to_spare_and_a_bound_within_the_loss(latency_ms, above, sure):
    each = screened("teacher+int8", latency_ms, -0.5, above=above)
    assert Clauses(points=1, latency_ms=3).surely_keeps(each) == sure


def test_a_student_is_worth_its_training_where_its_shape_is_affordable_and_faster_than_what_there_is():
    shapes = {Chain(f"teacher+layers{keep}"): screened(f"teacher+layers{keep}_shape", ms, -50) for keep, ms in ((4, 5), (3, 3), (2, 1.5))}
    assert worth_training(shapes, [SLOW, SURE], Clauses(points=1)) == ["teacher+layers3", "teacher+layers2"]
    assert worth_training(shapes, [SLOW], Clauses(points=1, latency_ms=2)) == ["teacher+layers2"]  # the teacher is too slow to count


def test_after_one_epoch_the_better_half_goes_on_and_whatever_loses_little_already():
    short = {Chain(f"layers{keep}"): screened(f"layers{keep}", keep, points) for keep, points in ((4, -1.5), (3, -2.5), (2, -6))}
    assert better_half(short, Clauses(points=1)) == ["layers4", "layers3"]
    assert better_half(short, Clauses(points=10)) == ["layers4", "layers3", "layers2"]
    assert better_half({}, Clauses(points=1)) == []
