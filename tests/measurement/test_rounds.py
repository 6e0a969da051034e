"""Rounds go on until the ratio is known well enough, or the seconds are used up."""

import numpy as np
import pytest

from encoder_compression.measurement import caches
from encoder_compression.measurement.rounds import FRESH_CALLS, fresh_calls, take_turns
from encoder_compression.run import progress
from encoder_compression.statistics import ratios
from measuring_options import ONNX, OPTIONS

CALLS = 5  # of a round: the options' 40 calls in 2 starts of 4 rounds


class Clocked:
    """Answers `take_turns` as a worker does, with times that the test decides: no machine is as noisy as a test needs it."""

    def __init__(self, *, milliseconds: float, noise: float, device: dict = ONNX):
        self.load, self.asked = {"device": device}, []
        self.milliseconds, self.noise, self.generator = milliseconds, noise, np.random.default_rng(0)

    def ask(self, command: str, *, first: int, calls: int = 1) -> dict:
        self.asked.append((command, first, calls))
        times = self.milliseconds * np.exp(self.generator.normal(0, self.noise) * np.ones(calls))
        return {"latencies_ms": list(times), "processor_ms": list(times)}


def start(workers: list[Clocked], **options) -> dict:
    with progress.bar(9, description="test", unit="round") as bar:
        return take_turns(workers, OPTIONS | options, 0, bar)


def test_a_quiet_machine_needs_no_more_than_the_fewest_rounds():
    measured = start([Clocked(milliseconds=2, noise=0.001), Clocked(milliseconds=6, noise=0.001)], seconds=60)
    assert len(measured["rounds"]) == OPTIONS["rounds"]
    assert measured["ratio_half_width"] < 0.02


@pytest.mark.parametrize("precision", [0.02, 0.05])
def test_rounds_go_on_until_the_half_width_is_within_the_precision(precision):
    measured = start([Clocked(milliseconds=2, noise=2 * precision), Clocked(milliseconds=6, noise=0.001)], seconds=600, precision=precision)
    rounds = measured["rounds"]
    assert len(rounds) > OPTIONS["rounds"]
    assert measured["ratio_half_width"] == ratios.half_width(rounds, "processor_ms") <= precision
    assert ratios.half_width(rounds[:-1], "processor_ms") > precision


def test_a_noisy_machine_is_given_up_when_the_seconds_are_used_up():
    """Half of the seconds belong to each of two starts, and a round of 5 calls takes 0.04 s of both sides."""
    measured = start([Clocked(milliseconds=2, noise=0.9), Clocked(milliseconds=6, noise=0.0)], seconds=2)
    seconds = [sum(timed["latencies_ms"] + timed["partner_latencies_ms"]) / 1000 for timed in measured["rounds"]]
    assert sum(seconds) >= 1 > sum(seconds[:-1])
    assert measured["ratio_half_width"] > 0.02


def test_a_variant_without_partner_has_no_ratio_to_wait_for():
    measured = start([Clocked(milliseconds=2, noise=0.9)], seconds=60)
    assert len(measured["rounds"]) == OPTIONS["rounds"]
    assert measured["ratio_half_width"] is None


def test_rounds_of_several_threads_are_judged_by_the_wall_clock():
    workers = [Clocked(milliseconds=time, noise=0.04, device=ONNX | {"threads": 2}) for time in (2, 6)]
    measured = start(workers, seconds=600)
    assert measured["ratio_half_width"] == ratios.half_width(measured["rounds"], "latencies_ms")


def test_fresh_calls_of_both_sides_are_of_the_same_examples_one_by_one():
    workers = [Clocked(milliseconds=time, noise=0) for time in (2, 6)]
    fresh = fresh_calls(workers, OPTIONS)
    assert fresh["latencies_ms"] == pytest.approx([2] * FRESH_CALLS)
    assert fresh["partner_processor_ms"] == pytest.approx([6] * FRESH_CALLS)
    assert workers[0].asked == workers[1].asked
    assert len({first for _, first, _ in workers[0].asked}) == FRESH_CALLS
    assert fresh_calls(workers[:1], OPTIONS)["partner_latencies_ms"] is None


def test_emptying_the_caches_writes_to_twice_what_they_hold():
    assert caches.size() >= 2**18  # no processor that runs this has less
    before = caches._block().copy()
    caches.empty()
    assert caches._block().nbytes == 2 * caches.size()
    assert (caches._block() == before + 1).all()
