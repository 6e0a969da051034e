"""A training is timed in one process and in several, on the same batches, and what the machine cannot do is said."""

import pandas as pd
import pytest
import torch
import yaml

from conftest import Workspace
from encoder_compression.errors import UserError
from encoder_compression.measurement import parallel_training
from encoder_compression.measurement.parallel_training import StepClock, Timed, time_processes
from encoder_compression.training.trainer import EpochLengthSampler
from short_training import TRAINING


def measured(encoder, dataset, folder, **changes) -> tuple[pd.DataFrame, dict]:
    given = {"training": TRAINING, "numbers": [2, 1, 64], "threads": 2} | changes
    facts = time_processes(encoder=encoder, dataset=dataset, metric="accuracy", output=folder / "times.csv", name="test", **given)
    return pd.read_csv(folder / "times.csv"), facts


@pytest.mark.long
def test_one_and_two_processes_read_the_same_tokens_and_the_table_follows_from_their_times(encoder, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_training, "ROUNDS", 1)
    table, facts = measured(encoder, dataset, tmp_path)
    (alone,), (together,) = facts["rounds"][1], facts["rounds"][2]
    assert alone["tokens"] == together["tokens"] == tokens_of_timed_steps(dataset)
    assert table["processes"].tolist() == [1, 2, 64]
    speeds = [start["tokens"] / start["seconds"] for start in (alone, together)]
    assert table["tokens_per_second"][:2].tolist() == pytest.approx(speeds, rel=1e-4)
    assert table["speedup"][:2].tolist() == pytest.approx([1, speeds[1] / speeds[0]], rel=1e-4)
    assert table["efficiency"][:2].tolist() == pytest.approx([1, speeds[1] / speeds[0] / 2], rel=1e-4)
    lengths = pd.read_parquet(dataset / "train.parquet")["input_ids"].map(len)
    assert table["epoch_seconds"][:2].tolist() == pytest.approx([lengths.sum() / speed for speed in speeds], rel=1e-4)
    assert table["threads_per_process"][:2].tolist() == [1, 1]
    assert table["memory_mb_per_process"][:2].between(100, 5000).all()
    assert table["left_out"].tolist()[2] == "needs 64 cores; the job has 2"
    assert table.drop(columns=["processes", "left_out"]).loc[2].isna().all()


def tokens_of_timed_steps(dataset) -> int:
    """Return the tokens of the batches of the second and later steps of an epoch, behind the warm-up, by the sampler itself."""
    lengths = pd.read_parquet(dataset / "train.parquet")["input_ids"].map(len).tolist()
    sampler = EpochLengthSampler(batch_size=TRAINING["batch_size"], lengths=lengths, seed=1, mlm_masks=None)
    counts, step, size = [], 0, TRAINING["batch_size"]
    for epoch in range(100):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, len(order), size):
            step += 1
            if start and step > parallel_training.WARMUP_STEPS:
                counts.append(sum(lengths[index] for index in order[start : start + size]))
    return sum(counts[: parallel_training.TIMED_STEPS])


def test_a_clock_leaves_out_warm_up_the_first_step_of_an_epoch_and_what_comes_between(monkeypatch):
    moments = iter(range(0, 10_000, 10))
    monkeypatch.setattr(parallel_training.time, "perf_counter", lambda: next(moments))
    clock, state = StepClock(), type("State", (), {"global_step": 0})()
    with pytest.raises(Timed):
        for step in range(1, 100):
            if step % 8 == 1:
                clock.on_epoch_begin(None, state, None)
            clock.count(None, (), {"attention_mask": torch.ones(2, step)})
            state.global_step = step
            clock.on_step_end(None, state, None)
    timed = [step for step in range(1, 100) if step > parallel_training.WARMUP_STEPS and step % 8 != 1][: parallel_training.TIMED_STEPS]
    assert clock.seconds == [10.0] * len(timed)
    assert int(clock.tokens) == sum(2 * step for step in timed)


@pytest.mark.slow
@pytest.mark.long
def test_an_epoch_of_one_batch_cannot_be_timed(encoder, dataset, tmp_path, monkeypatch):
    for name in ("LONGEST", "WARMUP_STEPS", "TIMED_STEPS"):
        monkeypatch.setattr(parallel_training, name, 1)
    with pytest.raises(UserError, match="^processes: an epoch of train has no second batch of 64 to time; lower batch_size$"):
        measured(encoder, dataset, tmp_path, numbers=[1], training=TRAINING | {"batch_size": 64})


@pytest.mark.long
def test_the_report_of_an_experiment_that_asks_has_the_table(tmp_path):
    workspace = Workspace(tmp_path, "timed")
    options = {"extends": "tiny-roberta-squad", "variants": ["teacher"], "devices": {"cpu": {"runtime": "pytorch"}}, "processes": [1, 2]}
    (workspace.folder / "config/experiments/timed.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    times = pd.read_csv(tmp_path / "results/timed/processes/times.csv")
    assert times["processes"].tolist() == [1, 2]
    page = (tmp_path / "results/timed/report.html").read_text(encoding="utf-8")
    assert f"{times['tokens_per_second'][1]:,.0f}" in page
