"""The row to deliver passes before it is open, and is open before it fails; of equals it is the fastest, of failures the nearest miss."""

import pytest

from encoder_compression.contract import winner


def clause(name: str, value: float | None, verdict: str = "kept", **limit: float) -> dict:
    return {"clause": name, "value": value, "lower_bound": value, "upper_bound": value, "verdict": verdict} | limit


def row(variant: str, verdict: str, *clauses: dict) -> dict:
    clauses = clauses or (clause("budget", 0.0, at_least=-0.01),)
    return {"variant": variant, "device": "cpu", "seeds": [1], "is_baseline": False, "verdict": verdict, "clauses": list(clauses)}


def variants(rows: list[dict], **latency_ms: float) -> list[str]:
    return [each["variant"] for each in winner.rank(rows, latency_ms, baseline="teacher")]


def test_a_pass_comes_before_an_open_row_and_that_before_a_failure_whatever_their_speed():
    rows = [row("failed", "fail", clause("size_mb", 30, "exceeded", at_most=20)), row("open", "open"), row("passed", "pass")]
    assert variants(rows, failed=1, open=2, passed=3) == ["passed", "open", "failed"]


def test_the_baseline_is_delivered_only_where_all_others_are_beyond_a_limit():
    beyond = row("beyond", "open", clause("budget", -0.0128, "open", at_least=-0.01))
    assert variants([row("teacher", "pass"), row("open", "open"), beyond], teacher=5, open=2, beyond=1) == ["open", "teacher", "beyond"]


def test_of_rows_that_pass_the_fastest_comes_first_and_the_next_is_the_runner_up():
    assert variants([row("a", "pass"), row("b", "pass"), row("c", "pass")], a=2.0, b=1.5, c=3.0) == ["b", "a", "c"]
    assert variants([row("a", "open"), row("b", "open")], a=2.0, b=1.5) == ["b", "a"]


def test_an_open_row_within_all_limits_comes_before_a_faster_one_whose_own_figure_is_beyond():
    beyond = row("beyond", "open", clause("budget", -0.0128, "open", at_least=-0.01))
    within = row("within", "open", clause("budget", -0.0051, "open", at_least=-0.01))
    passed = row("passed", "pass")
    assert variants([beyond, within, passed], beyond=0.7, within=1.1, passed=2) == ["passed", "within", "beyond"]


def test_of_failures_the_one_with_the_smallest_largest_excess_comes_first():
    slow = row("slow", "fail", clause("latency_ms", 3.3, "exceeded", at_most=3), clause("size_mb", 10, at_most=20))  # 10 % too slow
    large = row("large", "fail", clause("latency_ms", 1.0, at_most=3), clause("size_mb", 25, "exceeded", at_most=20))  # 25 % too large
    lossy = row("lossy", "fail", clause("budget", -0.03, "exceeded", at_least=-0.01), clause("latency_ms", 0.1, at_most=3))  # 200 %
    assert variants([lossy, large, slow], slow=9, large=1, lossy=0.1) == ["slow", "large", "lossy"]


@pytest.mark.parametrize(
    ("held", "excess"),
    [
        (clause("latency_ms", 3.0, at_most=2), 0.5),
        (clause("latency_ms", 1.0, at_most=2), -0.5),
        (clause("budget", -0.015, at_least=-0.01), 0.5),
        (clause("budget", -0.02, at_least=0.0), 2.0),  # no loss is allowed: counted in points
        (clause("metric", 0.8, at_least=0.9), 1 / 9),
        (clause("constant", 0.4, above=0.5), 0.2),
        (clause("recall", None, at_least=0.9), float("inf")),
    ],
)
def test_an_excess_is_a_share_of_the_limit(held, excess):
    assert winner.excess(held) == pytest.approx(excess)


def test_each_clause_has_the_row_that_comes_nearest_to_it():
    slow = row("slow", "fail", clause("latency_ms", 3.3, "exceeded", at_most=3), clause("size_mb", 10, at_most=20))
    large = row("large", "fail", clause("latency_ms", 4.0, "exceeded", at_most=3), clause("size_mb", 25, "exceeded", at_most=20))
    near = {each["clause"]: each for each in winner.nearest([large, slow])}
    assert (near["latency_ms"]["variant"], near["latency_ms"]["value"]) == ("slow", 3.3)
    assert near["latency_ms"]["excess"] == pytest.approx(0.1)
    assert (near["size_mb"]["variant"], near["size_mb"]["excess"]) == ("slow", -0.5)
