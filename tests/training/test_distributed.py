"""Several processes train what one would: the same batches, the same losses, and nothing is written twice."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.utils.data import BatchSampler

from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training import processes
from encoder_compression.training.distributed import launch
from encoder_compression.training.train import Goal

pytestmark = pytest.mark.slow

TRAINING = {
    "epochs": 3,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 3,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def plain(encoder, tmp_path_factory) -> Path:
    """An encoder without dropout, which is another one in each process."""
    folder = tmp_path_factory.mktemp("plain") / "encoder"
    shutil.copytree(encoder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(
        json.dumps(config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}), encoding="utf-8"
    )
    return folder


def call(plain, dataset, folder, **changes) -> dict:
    folder.mkdir(exist_ok=True)
    goal = Goal(dataset=dataset, metric="accuracy", seed=3, name="test")
    options = {"training": TRAINING | changes}
    return {"encoder": str(plain), "goal": goal, "options": options, "model": str(folder / "model"), "curve": str(folder / "curve.csv")}


@pytest.fixture(scope="module")
def both(plain, dataset, tmp_path_factory):
    """What one process and what two processes left behind, and their facts; the last batch of an epoch has two parts of unequal size."""
    assert 11 < len(pd.read_parquet(dataset / "train.parquet")) % 20 < 20
    folder = tmp_path_factory.mktemp("both")
    one = finetune(**call(plain, dataset, folder / "one", batch_size=20, accumulation=1))
    two = launch(finetune, nodes=1, processes=2, threads=2, **call(plain, dataset, folder / "two", batch_size=20, accumulation=2))
    return folder, one, two


def test_two_processes_end_with_the_weights_of_one(both):
    folder, one, two = both
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"]
    alone, together = (pretrained.load_model(folder / name / "model").state_dict() for name in ("one", "two"))
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=2e-5)


def test_their_curves_are_the_same(both):
    folder, *_ = both
    alone, together = (pd.read_csv(folder / name / "curve.csv") for name in ("one", "two"))
    for column in ("loss", "loss_hard", "learning_rate", "eval_loss", "eval_score"):
        pd.testing.assert_series_equal(alone[column], together[column], rtol=1e-4)
    assert alone["loss"].nunique() > 3


def test_nothing_but_model_and_curve_is_left(both):
    folder, *_ = both
    assert {path.name for path in (folder / "two").iterdir()} == {"model", "curve.csv"}


def test_batches_that_cannot_be_shared_and_clocks_are_refused(plain, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(UserError, match="accumulation 1 times 3 processes does not divide batch_size 8"):
        finetune(**call(plain, dataset, tmp_path / "three"))
    timed = call(plain, dataset, tmp_path / "timed", seconds=5)
    with pytest.raises(UserError, match="processes have a clock each .* give 'steps' in place of 'seconds'"):
        finetune(**timed)


@pytest.mark.long
def test_a_process_that_fails_ends_the_job_and_leaves_its_traceback(dataset, tmp_path, capfd):
    with pytest.raises(RuntimeError, match="one of 2 training processes failed; the log has its traceback"):
        launch(finetune, nodes=1, processes=2, threads=2, **call(tmp_path / "nothing", dataset, tmp_path / "job"))
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.long
def test_processes_that_diverge_end_with_one_line(plain, dataset, tmp_path):
    diverging = call(plain, dataset, tmp_path / "hot", accumulation=2, learning_rate=1e30)
    with pytest.raises(UserError, match="^training: the loss was last finite in step 2, with learning_rate 1e\\+30; lower"):
        launch(finetune, nodes=1, processes=2, threads=2, **diverging)
    assert not (tmp_path / "hot" / "model").exists()


@pytest.mark.long
def test_sigterm_stops_all_at_one_step_and_the_next_attempt_goes_on_to_the_same_weights(plain, dataset, tmp_path):
    long = {"epochs": 40, "patience": 40}
    program = (
        "import sys, json; from pathlib import Path; from encoder_compression.training.distributed import launch;"
        "from encoder_compression.training.train import Goal; from encoder_compression.techniques.finetune import finetune;"
        "call = json.loads(sys.argv[1]); call['goal']['dataset'] = Path(call['goal']['dataset']);"
        "launch(finetune, nodes=1, processes=2, threads=2, **call | {'goal': Goal(**call['goal'])})"
    )
    arguments = call(plain, dataset, tmp_path / "job", **long)
    goal = vars(arguments["goal"]) | {"dataset": str(dataset)}
    command = [sys.executable, "-c", program, json.dumps(arguments | {"goal": goal})]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8")
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "job/checkpoints").glob("checkpoint-*"))) < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert "stopped by SIGTERM after step" in job.communicate(timeout=120)[1]
    assert list((tmp_path / "job/checkpoints").glob("checkpoint-*/rng_state_1.pth"))
    resumed = launch(finetune, nodes=1, processes=2, threads=2, **arguments)
    assert resumed["resumed"]
    whole = call(plain, dataset, tmp_path / "whole", **long)
    launch(finetune, nodes=1, processes=2, threads=2, **whole)
    first, second = (pretrained.load_model(Path(run["model"])).state_dict() for run in (arguments, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("rest", [0, 1, 5])
def test_shares_of_a_batch_make_up_the_batch(monkeypatch, rest):
    whole = list(BatchSampler(range(24 + rest), 8, drop_last=False))
    monkeypatch.setattr(processes, "count", lambda: 4)
    shares = []
    for rank in range(4):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        shares.append(list(processes.ShareOfBatches(range(24 + rest), 8)))
    assert all(len(share) == len(whole) for share in shares)
    for number, batch in enumerate(whole):
        together = [index for share in shares for index in share[number]]
        assert set(together) == set(batch)
        assert len(together) == max(len(batch), 4)
