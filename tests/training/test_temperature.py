"""A temperature can change in a straight line over the training: a function of the step, or of the clock that ends it."""

import pyarrow as pa
import pytest
import torch
from test_weight_average import Killed, Killer, Watched
from transformers import TrainerCallback

from encoder_compression.encoders import encoder_facts
from encoder_compression.training.examples import read_train
from encoder_compression.training.heads import new_model
from encoder_compression.training.losses import soft_target_loss
from encoder_compression.training.objectives import Distillation
from encoder_compression.training.train import train
from encoder_compression.training.trainer import Stopwatch
from short_training import TRAINING, equal

SOFT = {"hard": 0, "soft": 1, "hidden": 0, "relation": 0}
FALLING = {"from": 8, "to": 1}


class Thermometer(TrainerCallback):
    """Reads the temperature of each step as it begins."""

    def __init__(self, objective: Distillation):
        self.objective, self.read = objective, []

    def on_step_begin(self, args, state, control, **_):
        self.read.append(self.objective.temperature_now())


def learn(encoder, dataset, folder, *, temperature, watcher=None, **changes):
    """Train towards soft targets that are drawn once; returns the model, its curve and the temperatures of the steps."""
    objective = Distillation(weights=SOFT, temperature=temperature, teacher=None)
    thermometer = Thermometer(objective)
    goal = Watched(dataset=dataset, metric="accuracy", seed=3, name="test", watcher=watcher or thermometer)
    model = new_model(encoder, goal)
    history, _ = train(
        model=model,
        tokenizer=encoder_facts.load_tokenizer(encoder),
        goal=goal,
        options={key: value for key, value in TRAINING.items() if key != "epochs" or "seconds" not in changes} | changes,
        objective=objective,
        checkpoints=folder,
        examples=with_soft_targets(dataset),
        ramp=None,
    )
    return model, history, thermometer.read


def with_soft_targets(dataset):
    count = len(read_train(dataset, {}))
    logits = 3 * torch.randn(count, 2, generator=torch.Generator().manual_seed(5))
    return read_train(dataset, {"teacher_logits": pa.chunked_array([pa.array(logits.tolist(), pa.list_(pa.float32()))])})


def test_the_temperature_goes_from_the_first_step_to_the_last_in_a_straight_line(encoder, dataset, tmp_path):
    *_, read = learn(encoder, dataset, tmp_path, temperature=FALLING, epochs=3, patience=3)
    assert read == pytest.approx(torch.linspace(8, 1, len(read)).tolist())
    assert (read[0], read[-1]) == (8, 1)


def test_it_can_rise_and_a_number_stays(encoder, dataset, tmp_path):
    *_, rising = learn(encoder, dataset, tmp_path / "rising", temperature={"from": 1, "to": 3}, steps=5)
    *_, constant = learn(encoder, dataset, tmp_path / "constant", temperature=4, steps=5)
    assert rising == [1, 1.5, 2, 2.5, 3]
    assert constant == [4] * 5


def test_a_training_of_one_step_has_the_first_temperature(encoder, dataset, tmp_path):
    assert learn(encoder, dataset, tmp_path, temperature=FALLING, steps=1)[2] == [8]


def test_the_soft_term_has_the_temperature_of_the_share_that_has_passed(encoder):
    objective = Distillation(weights=SOFT, temperature=FALLING, teacher=None)
    student, teacher = torch.tensor([[0.3, -1.0], [2.0, 0.5]]), torch.tensor([[1.5, -2.0], [0.1, 0.2]])
    for share, temperature in ((0.0, 8.0), (0.25, 6.25), (1.0, 1.0)):
        objective.passed = lambda share=share: share
        assert objective._soft_term(student, teacher) == soft_target_loss(student, teacher, temperature)


def test_a_resumed_run_has_the_temperatures_of_a_whole_one(encoder, dataset, tmp_path):
    whole, history, _ = learn(encoder, dataset, tmp_path / "whole", temperature=FALLING, epochs=4, patience=4)
    steps = max(entry["step"] for entry in history)
    with pytest.raises(Killed):
        learn(encoder, dataset, tmp_path / "killed", temperature=FALLING, epochs=4, patience=4, watcher=Killer(steps // 2 + 1, saves=True))
    resumed, again, read = learn(encoder, dataset, tmp_path / "killed", temperature=FALLING, epochs=4, patience=4)
    assert equal(whole, resumed)
    assert [entry["loss"] for entry in history if "loss" in entry] == [entry["loss"] for entry in again if "loss" in entry]
    assert read == pytest.approx(torch.linspace(8, 1, steps).tolist()[steps // 2 + 1 :])


def test_where_a_clock_ends_the_training_the_temperature_follows_it(encoder, dataset, tmp_path, monkeypatch):
    """A step takes a second of a clock that stands still else, so eight seconds are eight steps."""
    passed = []
    monkeypatch.setattr(Stopwatch, "seconds", lambda *_: float(len(passed)))
    monkeypatch.setattr(Thermometer, "on_step_end", lambda *_, **__: passed.append(1), raising=False)
    *_, read = learn(encoder, dataset, tmp_path, temperature=FALLING, seconds=8)
    assert read == [8 - 7 * second / 8 for second in range(8)]
