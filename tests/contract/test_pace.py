"""A few steps tell how long a training takes: one that would take most of the minutes ends earlier, and a search is foretold."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from encoder_compression.contract import forecast, pace
from encoder_compression.contract.candidates import Space
from encoder_compression.contract.pace import Pace
from encoder_compression.encoders import encoder_facts
from encoder_compression.study.chain import Chain

WHOLE = {"epochs": 3, "learning_rate": 1e-4}
STEADY = Pace(tokens_per_second=1000.0, train=90_000, validation=30_000)  # an epoch of 100 s


def test_an_epoch_is_the_tokens_of_train_and_a_third_of_the_time_for_those_of_validation():
    assert STEADY.seconds(3) == 300
    assert STEADY.seconds(2, share=0.5) == 100


def test_the_pace_is_read_from_the_last_steps_and_the_prepared_tokens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / pace.target("mine")
    folder.mkdir(parents=True)
    (folder.parent / "training.csv").write_text("step,tokens_per_second\n6,100.0\n12,250.5\n12,\n", encoding="utf-8")
    (tmp_path / "results/mine/dataset").mkdir()
    for split, inputs in {"train": [[1, 2, 3], [4]], "validation": [[5, 6]]}.items():
        parquet.write_table(pa.table({"input_ids": inputs}), tmp_path / f"results/mine/dataset/{split}.parquet")
    assert pace.read("mine") == Pace(250.5, 4, 2)


@pytest.mark.parametrize(
    ("seconds", "training"),
    [
        (1000, WHOLE),
        (750, WHOLE),
        (700, {"learning_rate": 1e-4, "seconds": 280}),
        (60, {"learning_rate": 1e-4, "seconds": 24}),
        (0, {"learning_rate": 1e-4, "seconds": 10}),
    ],
)
def test_a_teacher_takes_two_fifths_of_the_time_at_most(seconds, training):
    assert pace.fitting(WHOLE, STEADY, seconds) == training


def test_the_pace_is_that_of_the_teachers_own_training():
    assert pace.training(WHOLE) == {"learning_rate": 1e-4, "steps": pace.STEPS}


def test_a_forecast_has_the_minutes_of_each_stage_and_the_disk(encoder):
    space = Space(2, 32, "onnxruntime", None, True, False, WHOLE)  # one student, of one layer, of six epochs and one behind each cut
    chains = [Chain("teacher"), Chain("teacher+layers1")]
    head, teacher, first, wholly, disk = forecast.lines(space, STEADY, teacher=WHOLE, base=encoder, chains=chains)
    assert head == "training at 1,000 tokens/s:"
    assert (teacher, first) == ("  the teacher: 5.0 min", "  1 students for one epoch: 0.8 min")
    assert wholly.endswith("the better half is trained: 6.7 min")
    whole = (encoder / encoder_facts.WEIGHTS).stat().st_size
    embeddings = 4 * 32 * encoder_facts.vocabulary_size(encoder)
    half = embeddings + (whole - embeddings) / 2
    assert forecast.disk_gb(space, encoder, chains) == pytest.approx(2.25e-9 * (whole + half))
    assert disk.startswith("disk: at most 0.0 GB")
