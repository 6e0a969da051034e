"""A training that is told to stop saves the step it is at, and the next attempt ends with the same weights."""

import signal
import subprocess
import sys
from pathlib import Path

import torch
from test_training import equal, fit

from conftest import ROOT

STOPPED = """
import os, runpy, signal, sys
from pathlib import Path
import torch
from encoder_compression.errors import UserError
from encoder_compression.training.stopping import StopOnSignal

fit = runpy.run_path("training/test_training.py")["fit"]
listen = StopOnSignal.on_step_end

def tell(self, args, state, control, **_):
    if state.global_step == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGTERM)
    return listen(self, args, state, control, **_)

StopOnSignal.on_step_end = tell
torch.set_num_threads(int(sys.argv[5]))  # other threads, other sums
try:
    fit(*map(Path, sys.argv[1:4]))
except UserError as error:
    print(error)
"""


def stop(encoder: Path, dataset: Path, folder: Path, step: int) -> str:
    """Train in a process of its own, as a job does, that gets SIGTERM during a step; returns its last words."""
    command = [sys.executable, "-c", STOPPED, *map(str, (encoder, dataset, folder, step, torch.get_num_threads()))]
    return subprocess.run(command, cwd=ROOT / "tests", capture_output=True, encoding="utf-8", check=True).stdout


def test_sigterm_within_an_epoch_saves_that_step_and_resuming_gives_the_same_weights(encoder, dataset, tmp_path):
    whole, history, facts = fit(encoder, dataset, tmp_path / "whole")
    within = facts["steps"] // 2 + 1
    assert within % (facts["steps"] // 4), "the step is to lie within an epoch"
    assert f"stopped by SIGTERM after step {within} of {facts['steps']}" in stop(encoder, dataset, tmp_path / "stopped", within)
    assert (tmp_path / "stopped" / f"checkpoint-{within}" / "trainer_state.json").exists()
    resumed, again, more = fit(encoder, dataset, tmp_path / "stopped")
    assert more["resumed"]
    assert equal(whole, resumed)
    assert [entry["eval_score"] for entry in again if "eval_score" in entry] == [
        entry["eval_score"] for entry in history if "eval_score" in entry
    ]


def test_sigterm_in_the_last_step_of_an_epoch_lets_that_be_validated(encoder, dataset, tmp_path):
    whole, history, facts = fit(encoder, dataset, tmp_path / "whole")
    last = facts["steps"] // 4
    assert f"stopped by SIGTERM after step {last} of {facts['steps']}" in stop(encoder, dataset, tmp_path / "stopped", last)
    resumed, again, _ = fit(encoder, dataset, tmp_path / "stopped")
    assert equal(whole, resumed)
    scores, scores_again = ([entry["eval_score"] for entry in each if "eval_score" in entry] for each in (history, again))
    assert len(scores) == 4
    assert scores == scores_again


def test_seconds_before_the_stop_count(encoder, dataset, tmp_path):
    stop(encoder, dataset, tmp_path, 3)
    _, history, _ = fit(encoder, dataset, tmp_path)
    seconds = [entry["seconds"] for entry in history]
    assert seconds == sorted(seconds) and history[0]["step"] <= 3 and seconds[0] > 0


def test_a_training_that_ends_leaves_the_signal_as_it_was(encoder, dataset, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    fit(encoder, dataset, tmp_path, epochs=1)
    assert signal.getsignal(signal.SIGTERM) == before
