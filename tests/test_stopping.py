"""A training that is told to stop saves the step it is at, and the next attempt ends with the same weights."""

import os
import signal

import pytest

from encoder_compression.errors import UserError
from encoder_compression.training.stopping import StopOnSignal
from test_training import equal, fit


@pytest.fixture
def told_at(monkeypatch):
    """Return a function that lets SIGTERM come during a step."""
    listen = StopOnSignal.on_step_end

    def at(step: int) -> None:
        def tell(self, args, state, control, **_):
            if state.global_step == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return listen(self, args, state, control, **_)

        monkeypatch.setattr(StopOnSignal, "on_step_end", tell)

    return at


def test_sigterm_within_an_epoch_saves_that_step_and_resuming_gives_the_same_weights(encoder, dataset, tmp_path, told_at):
    whole, history, facts = fit(encoder, dataset, tmp_path / "whole")
    within = facts["steps"] // 2 + 1
    assert within % (facts["steps"] // 4), "the step is to lie within an epoch"
    told_at(within)
    with pytest.raises(UserError, match=f"stopped by SIGTERM after step {within} of {facts['steps']}"):
        fit(encoder, dataset, tmp_path / "stopped")
    assert (tmp_path / "stopped" / f"checkpoint-{within}" / "trainer_state.json").exists()
    told_at(-1)
    resumed, again, more = fit(encoder, dataset, tmp_path / "stopped")
    assert more["resumed"]
    assert equal(whole, resumed)
    assert [entry["eval_score"] for entry in again if "eval_score" in entry] == [
        entry["eval_score"] for entry in history if "eval_score" in entry
    ]


def test_seconds_before_the_stop_count(encoder, dataset, tmp_path, told_at):
    told_at(3)
    with pytest.raises(UserError):
        fit(encoder, dataset, tmp_path)
    told_at(-1)
    _, history, _ = fit(encoder, dataset, tmp_path)
    seconds = [entry["seconds"] for entry in history]
    assert seconds == sorted(seconds) and history[0]["step"] <= 3 and seconds[0] > 0


def test_a_training_that_ends_leaves_the_signal_as_it_was(encoder, dataset, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    fit(encoder, dataset, tmp_path, epochs=1)
    assert signal.getsignal(signal.SIGTERM) == before
