"""A training lasts as long as it is told: epochs, steps or seconds, each exactly one of them."""

from types import SimpleNamespace

import pytest
import torch
from test_training import OPTIONS, equal, fit

from encoder_compression.errors import UserError
from encoder_compression.statistics import quality
from encoder_compression.training import length, trainer
from encoder_compression.training.length import TimeLimit
from own_experiments import TINY, load


def fit_for(encoder, dataset, folder, monkeypatch, **given):
    """Train with a length in place of the epochs."""
    with monkeypatch.context() as patch:
        patch.delitem(OPTIONS, "epochs")
        return fit(encoder, dataset, folder, **given)


def test_steps_end_in_the_middle_of_an_epoch_and_what_was_learnt_there_is_validated(encoder, dataset, tmp_path, monkeypatch):
    _, history, facts = fit_for(encoder, dataset, tmp_path, monkeypatch, steps=7)  # an epoch has 5
    assert facts["steps"] == 7
    assert [entry["step"] for entry in history if "eval_score" in entry] == [5, 7]
    rates = [entry["learning_rate"] for entry in history if "learning_rate" in entry]
    assert rates[-1] < OPTIONS["learning_rate"] / 3


def test_as_many_steps_as_epochs_have_give_the_same_weights(encoder, dataset, tmp_path, monkeypatch):
    by_epochs, _, facts = fit(encoder, dataset, tmp_path / "epochs", epochs=2)
    by_steps, *_ = fit_for(encoder, dataset, tmp_path / "steps", monkeypatch, steps=facts["steps"])
    assert equal(by_epochs, by_steps)


def test_a_budget_of_steps_is_used_up_whatever_the_patience(encoder, dataset, tmp_path, monkeypatch):
    scores = iter([0.9, 0.8, 0.7, 0.6])
    monkeypatch.setattr(quality, "score", lambda *_: next(scores))
    _, _, facts = fit_for(encoder, dataset, tmp_path, monkeypatch, steps=20, patience=1)
    assert (facts["steps"], facts["validation_score"]) == (20, 0.9)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock of the trainer's that goes on by a hundredth of a second whenever it is read."""
    clock = SimpleNamespace(now=0.0)

    def monotonic():
        clock.now += 0.01
        return clock.now

    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=monotonic))
    return clock


def test_seconds_end_a_training_and_its_learning_rate_falls_with_them(encoder, dataset, tmp_path, monkeypatch, clock):
    _, history, facts = fit_for(encoder, dataset, tmp_path, monkeypatch, seconds=1)
    assert 1 <= facts["training_seconds"] < 1.1
    logged = [(entry["seconds"], entry["learning_rate"]) for entry in history if "learning_rate" in entry]
    assert len(logged) > 10
    for seconds, rate in logged:  # the rate of the step before
        if 2 * OPTIONS["warmup"] < seconds < 1:
            expected = OPTIONS["learning_rate"] * (1 - seconds) / (1 - OPTIONS["warmup"])
            assert rate == pytest.approx(expected, abs=0.15 * OPTIONS["learning_rate"])
    assert logged[-1][1] < 0.15 * OPTIONS["learning_rate"]
    assert [entry["step"] for entry in history if "eval_score" in entry][-1] == facts["steps"]


def test_a_killed_training_has_the_seconds_that_are_left(encoder, dataset, tmp_path, monkeypatch, clock):
    class Killed(Exception):
        pass

    def die_in_the_third_epoch(self, args, state, control, **_):
        if state.epoch > 2:
            raise Killed

    _, _, whole = fit_for(encoder, dataset, tmp_path / "whole", monkeypatch, seconds=1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainer.ProgressBar, "on_step_end", die_in_the_third_epoch)
        fit_for(encoder, dataset, tmp_path / "killed", monkeypatch, seconds=1)
    _, history, facts = fit_for(encoder, dataset, tmp_path / "killed", monkeypatch, seconds=1)
    assert facts["resumed"]
    assert 1 <= facts["training_seconds"] < 1.1
    assert abs(facts["steps"] - whole["steps"]) <= 2
    assert [entry["seconds"] for entry in history] == sorted(entry["seconds"] for entry in history)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_the_rate_by_the_clock_is_that_of_the_library_by_steps(warmup):
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, round(100 * warmup), 100)
    for step in range(100):
        assert TimeLimit(lambda step=step: step / 100, warmup=warmup).rate(step) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_epochs_are_the_length_where_none_is_given_and_none_is_added_to_steps(tmp_path):
    teacher = load(tmp_path, TINY | {"finetune": {"teacher": {}}})["finetune"]["teacher"]["training"]
    assert teacher["epochs"] == 3
    teacher = load(tmp_path, TINY | {"finetune": {"teacher": {"training": {"steps": 10}}}})["finetune"]["teacher"]["training"]
    assert "epochs" not in teacher


def test_a_step_of_so_many_steps_has_a_control_of_as_many(tmp_path):
    even1 = TINY["distill"]["even1"] | {"training": {"steps": 10}}
    options = load(tmp_path, TINY | {"distill": {"even1": even1}})
    assert options["distill"]["even1-control"]["training"]["steps"] == 10


def test_a_ramp_needs_to_know_its_end(tmp_path):
    magnitude60 = TINY["prune"]["magnitude60"] | {"training": {"seconds": 10}}
    with pytest.raises(UserError, match="a ramp needs a training of known steps to rise in; give it epochs or steps"):
        load(tmp_path, TINY | {"prune": {"magnitude60": magnitude60}})


def test_the_length_in_epochs_counts_batches():
    assert length.epochs({"steps": 10, "batch_size": 8}, 40) == 2
    assert length.epochs({"epochs": 3, "batch_size": 8}, 40) == 3
