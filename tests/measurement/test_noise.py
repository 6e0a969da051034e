"""The baseline's row says how noisy the machine is, by the clock that its ratios are of."""

from encoder_compression.measurement import noise

ONE_THREAD = {"hardware": "cpu", "threads": 1}


def launch(*medians: float, foreign: float) -> dict:
    """Return a start whose calls take so many ms by the processor's clock, and 20 more by the wall clock."""
    rounds = [{"processor_ms": [ms] * 5, "latencies_ms": [ms + 20] * 5} for ms in medians]
    return {"rounds": rounds, "foreign_cpu_share": foreign}


def test_it_tells_median_spread_and_what_others_took():
    line = noise.line("measure teacher", [launch(9.9, 10.1, foreign=0.01), launch(9.9, 10.1, foreign=0.04)], ONE_THREAD)
    assert line == "measure teacher: a call takes 10 ms, 1.2% more or less from round to round; other programs took 4% of the machine"


def test_of_several_threads_the_wall_clock_tells_it():
    assert "a call takes 30 ms, 0.4%" in noise.line("row", [launch(9.9, 10.1, 9.9, 10.1, foreign=0)], ONE_THREAD | {"threads": 2})[:60]


def test_a_busy_machine_is_said_with_what_to_do():
    line = noise.line("row", [launch(10, 10, foreign=0.02), launch(10, 10, foreign=0.48)], ONE_THREAD)
    assert line.endswith("other programs took 48% of the machine; end them, or rows will be marked as noisy")
