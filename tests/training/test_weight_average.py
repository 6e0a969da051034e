"""A training that averages its weights validates, saves and keeps the averages, and resumes to the same ones."""

from dataclasses import dataclass

import pytest
import torch
from pyarrow import parquet
from safetensors.torch import load_file
from transformers import TrainerCallback

from encoder_compression.statistics import quality
from encoder_compression.training.train import Goal
from short_training import TRAINING, equal, train_classifier

OPTIONS = TRAINING | {"epochs": 4, "patience": 4}
AVERAGES = [{"last": 2}, {"ema": 0.9}]


@dataclass(frozen=True)
class Watched(Goal):
    """A goal whose training calls ``watcher``."""

    watcher: TrainerCallback | None = None

    def watchers(self) -> list[TrainerCallback]:
        return [self.watcher] if self.watcher else []


class Recorder(TrainerCallback):
    """Keeps the trained weights of every step, and the steps at which epochs end."""

    def __init__(self):
        self.of_step, self.ends = [], []

    def on_step_end(self, args, state, control, model, **_):
        self.of_step.append({name: weight.detach().clone() for name, weight in model.named_parameters()})

    def on_epoch_end(self, args, state, control, **_):
        self.ends.append(state.global_step)


class Killed(Exception):
    """The end of a training that is killed."""


class Killer(TrainerCallback):
    """Lets the Trainer save in a step, as at a signal, or not, and ends the training there."""

    def __init__(self, step: int, *, saves: bool):
        self.step, self.saves = step, saves

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            control.should_save = self.saves
            if not self.saves:
                raise Killed

    def on_save(self, args, state, control, **_):
        if state.global_step == self.step:
            raise Killed


def fit(encoder, dataset, checkpoints, watcher=None, **changes):
    goal = Watched(dataset=dataset, metric="accuracy", seed=3, name="test", watcher=watcher)
    return train_classifier(encoder, goal, OPTIONS | changes, checkpoints)


@pytest.fixture
def better_each_epoch(monkeypatch):
    """Let each validation score more than the one before, so that the last epoch is kept."""
    scores = iter(range(1, 100))
    monkeypatch.setattr(quality, "score", lambda *_: next(scores) / 100)


def require_close(model: torch.nn.Module, expected: dict[str, torch.Tensor]) -> None:
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.detach().cpu(), expected[name].cpu(), rtol=0, atol=1e-6)


def test_the_mean_of_the_last_epochs_is_kept(encoder, dataset, tmp_path, better_each_epoch):
    recorder = Recorder()
    model, *_ = fit(encoder, dataset, tmp_path, recorder, weights={"last": 3})
    of_epochs = [recorder.of_step[end - 1] for end in recorder.ends]
    assert len(of_epochs) == 4
    require_close(model, {name: sum(weights[name] for weights in of_epochs[1:]) / 3 for name in of_epochs[0]})


def test_the_moving_average_of_all_steps_is_kept(encoder, dataset, tmp_path, better_each_epoch):
    recorder = Recorder()
    model, *_ = fit(encoder, dataset, tmp_path, recorder, weights={"ema": 0.5})
    expected = {name: weight.double() for name, weight in recorder.of_step[0].items()}
    for step, weights in enumerate(recorder.of_step, start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        expected = {name: decay * expected[name] + (1 - decay) * weight.double() for name, weight in weights.items()}
    require_close(model, {name: weight.float() for name, weight in expected.items()})


@pytest.mark.parametrize("weights", AVERAGES, ids=str)
def test_averages_change_nothing_about_the_training_itself(encoder, dataset, tmp_path, weights):
    """The averages stand in for the weights while these are validated and saved, and then give them back."""
    plain, averaged = Recorder(), Recorder()
    fit(encoder, dataset, tmp_path / "plain", plain)
    fit(encoder, dataset, tmp_path / "averaged", averaged, weights=weights)
    assert len(plain.of_step) == len(averaged.of_step) > 4
    for before, after in zip(plain.of_step, averaged.of_step, strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("weights", AVERAGES, ids=str)
def test_scores_and_losses_are_those_of_the_averages(encoder, dataset, tmp_path, weights):
    """What is kept scores as the curve says of its epoch, and has another loss than the weights of that epoch."""
    _, plain, _ = fit(encoder, dataset, tmp_path / "plain")
    model, history, facts = fit(encoder, dataset, tmp_path / "averaged", weights=weights)
    best = max((entry for entry in history if "eval_score" in entry), key=lambda entry: entry["eval_score"])
    assert facts["validation_score"] == best["eval_score"]
    rows = of_validation(dataset)
    logits = torch.stack([model.eval()(input_ids=row["input_ids"]).logits[0].detach() for row in rows])
    labels = torch.tensor([row["label"] for row in rows])
    assert (logits.argmax(-1) == labels).float().mean().item() == pytest.approx(best["eval_score"])
    assert torch.nn.functional.cross_entropy(logits, labels).item() == pytest.approx(best["eval_loss"], rel=1e-4)
    (before,) = [entry for entry in plain if entry.get("epoch") == best["epoch"] and "eval_loss" in entry]
    if best["epoch"] > 1:
        assert before["eval_loss"] != pytest.approx(best["eval_loss"], rel=1e-6)


def of_validation(dataset) -> list[dict]:
    rows = parquet.read_table(dataset / "validation.parquet").to_pylist()
    return [{"input_ids": torch.tensor([row["input_ids"]]), "label": row["label"]} for row in rows]


@pytest.mark.parametrize("saves", [True, False], ids=["stopped within an epoch", "killed within an epoch"])
@pytest.mark.parametrize("weights", AVERAGES, ids=str)
def test_a_resumed_run_keeps_the_same_averages(encoder, dataset, tmp_path, weights, saves):
    whole, history, facts = fit(encoder, dataset, tmp_path / "whole", weights=weights)
    within = 3 * facts["steps"] // 4 - 1
    with pytest.raises(Killed):
        fit(encoder, dataset, tmp_path / "killed", Killer(within, saves=saves), weights=weights)
    assert (tmp_path / "killed" / f"checkpoint-{within}").exists() == saves
    resumed, again, facts_again = fit(encoder, dataset, tmp_path / "killed", weights=weights)
    assert facts_again["resumed"]
    assert equal(whole, resumed)
    scores = [[entry["eval_loss"] for entry in each if "eval_loss" in entry] for each in (history, again)]
    assert scores[0] == scores[1]


def test_a_run_killed_after_its_last_epoch_keeps_the_averages(encoder, dataset, tmp_path, better_each_epoch):
    first, *_ = fit(encoder, dataset, tmp_path, weights={"last": 2})
    again, _, facts = fit(encoder, dataset, tmp_path, weights={"last": 2})
    assert facts["resumed"]
    assert equal(first, again)


def test_a_checkpoint_has_the_averages_as_its_model_and_the_weights_beside_them(encoder, dataset, tmp_path, better_each_epoch):
    recorder = Recorder()
    model, *_ = fit(encoder, dataset, tmp_path, recorder, weights={"ema": 0.9})
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    beside = load_file(checkpoint / "average.safetensors")
    assert int(beside["steps"]) == len(recorder.of_step)
    for index, (name, weight) in enumerate(recorder.of_step[-1].items()):
        assert torch.equal(beside[f"0.{index}"], weight)
        assert torch.equal(load_file(checkpoint / "model.safetensors").get(name, weight), dict(model.named_parameters())[name].detach())


def test_the_best_epochs_own_weights_are_kept_where_that_is_said(encoder, dataset, tmp_path):
    default, *_ = fit(encoder, dataset, tmp_path / "default")
    named, *_ = fit(encoder, dataset, tmp_path / "named", weights="best")
    assert equal(default, named)
    assert not list((tmp_path / "named").rglob("average.safetensors"))
