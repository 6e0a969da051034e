"""Trainings of the tiny encoder by the function that trains in a study: precisions, a kill, torchrun, soft targets."""

import csv
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from pyarrow import parquet
from safetensors.numpy import load_file
from torch import distributed

from encoder_compression.teaching.soft_targets import FILE_NAME, predict_soft_targets
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.distributed import launch
from gpu_parts.check import EPOCHS, Check
from gpu_parts.children import RunError, kill
from gpu_parts.sizes import LOGIT_TOLERANCES, LOSS_TOLERANCES, WEIGHT_TOLERANCE

LIMIT = 60  # seconds of a run


def finetune_exactly(**arguments) -> dict:
    """Fine-tune with deterministic kernels; return its facts, losses, tokens per second and, under torchrun, what joins its processes."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # without it cuBLAS is not deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    facts = finetune(**arguments)
    with Path(arguments["curve"]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curve = {
        "losses": [float(row["loss"]) for row in rows if row["loss"]],
        "tokens_per_second": [round(float(row["tokens_per_second"])) for row in rows if row["tokens_per_second"]],
    }
    return facts | curve | ({"joined_by": _joined_by()} if distributed.is_initialized() else {})


def _joined_by() -> dict:
    """Return the backend that joins the processes and what it adds up: a one of each process."""
    ones = torch.ones(1, device="cuda" if torch.cuda.is_available() else "cpu")
    distributed.all_reduce(ones)
    return {"backend": distributed.get_backend(), "sum_of_ones": ones.item()}


def train_in(check: Check, precision: str) -> dict:
    """Train in a precision; the losses of the first step and of the last epoch must be near those of the CPU in float32."""
    name = f"trained_{precision}"
    (check.folder / name).mkdir()
    facts = check.run(finetune_exactly, limit=LIMIT, **check.call(name, precision=precision))
    expected = read_losses(check.reference / "training.csv")
    in_epoch = len(expected) // EPOCHS
    first = abs(facts["losses"][0] - expected[0])
    last = abs(statistics.mean(facts["losses"][-in_epoch:]) - statistics.mean(expected[-in_epoch:]))
    tolerance = LOSS_TOLERANCES[precision]
    return facts | {
        "first_loss_differs_by": first,
        "loss_of_last_epoch_differs_by": last,
        "tolerance": tolerance,
        "holds": {
            "the first loss differs by at most the tolerance": first <= tolerance,
            "the loss of the last epoch differs by at most the tolerance": last <= tolerance,
        },
    }


def read_losses(curve: Path) -> list[float]:
    """Return the losses that a training's curve holds."""
    with curve.open(encoding="utf-8") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]


def resume_after_a_kill(check: Check) -> dict:
    """Kill a training behind its first checkpoint and run it again: its weights must be those of a training that nobody killed."""
    calls = {name: check.call(name, precision="auto") for name in ("whole", "killed")}
    for name in calls:
        (check.folder / name).mkdir()
    check.run(finetune_exactly, limit=LIMIT, **calls["whole"])
    step = _kill_behind_a_checkpoint(check, calls["killed"])
    resumed = check.run(finetune_exactly, limit=LIMIT, **calls["killed"])
    difference = weights_differ_by(calls["whole"]["model"], calls["killed"]["model"])
    return {
        "killed_behind_step": step,
        "steps": resumed["steps"],
        "bfloat16": resumed["bfloat16"],
        "weights_differ_by": difference,
        "tolerance": WEIGHT_TOLERANCE,
        "holds": {
            "it was killed before its end": 0 < step < resumed["steps"],
            "it was resumed": resumed["resumed"],
            "weights differ by at most the tolerance": difference <= WEIGHT_TOLERANCE,
        },
    }


def _kill_behind_a_checkpoint(check: Check, call: dict) -> int:
    """Start a training, kill it once it has a complete checkpoint, and return the step of the newest one."""
    checkpoints = Path(call["model"]).parent / "checkpoints"
    process, _ = check.children.start(finetune_exactly, hardware=check.hardware, **call)
    end = time.monotonic() + LIMIT
    while not (complete := list(checkpoints.glob("checkpoint-*/trainer_state.json"))) and time.monotonic() < end and process.is_alive():
        time.sleep(0.005)
    kill(process)
    if not complete:
        raise RunError("the training that was to be killed left no checkpoint")
    return max(int(state.parent.name.rpartition("-")[2]) for state in complete)


def weights_differ_by(first: str | Path, second: str | Path) -> float:
    """Return the largest difference between two models' weights; infinity where one lacks a weight of the other."""
    left, right = (load_file(Path(folder) / "model.safetensors") for folder in (first, second))
    if left.keys() != right.keys():
        return math.inf
    return max(float(np.abs(left[name] - right[name]).max()) for name in left)


def train_under_torchrun(check: Check) -> dict:
    """Train in a process that torchrun started, with gradients through NCCL (gloo on the CPU): its weights must be those without."""
    calls = {name: check.call(name, precision="float32") for name in ("alone", "under_torchrun")}
    for name in calls:
        (check.folder / name).mkdir()
    check.run(finetune_exactly, limit=LIMIT, **calls["alone"])
    facts = check.run(_launch, limit=2 * LIMIT, **calls["under_torchrun"])
    difference = weights_differ_by(calls["alone"]["model"], calls["under_torchrun"]["model"])
    backend = {"cuda": "nccl", "cpu": "gloo"}[check.hardware]
    return {
        **facts["joined_by"],
        "processes": facts["processes"],
        "weights_differ_by": difference,
        "tolerance": WEIGHT_TOLERANCE,
        "holds": {
            f"processes are joined by {backend}": facts["joined_by"]["backend"] == backend,
            "it adds up over the processes": facts["joined_by"]["sum_of_ones"] == facts["processes"],
            "weights differ by at most the tolerance": difference <= WEIGHT_TOLERANCE,
        },
    }


def _launch(**call) -> dict:
    return launch(finetune_exactly, nodes=1, processes=1, threads=1, **call)


def compute_soft_targets(check: Check) -> dict:
    """Let the teacher answer on the hardware that is checked: its logits must be those of the CPU."""
    given = {"teacher": check.reference / "model", "dataset": check.dataset}
    facts = {
        hardware: check.run(_soft_targets, limit=LIMIT, hardware=hardware, output=check.folder / f"soft_targets_{name}", **given)
        for name, hardware in (("expected", "cpu"), ("checked", check.hardware))
    }
    expected, checked = (read_logits(check.folder / f"soft_targets_{name}") for name in ("expected", "checked"))
    difference = float(np.abs(expected - checked).max() / max(1, np.abs(expected).max()))
    tolerance = LOGIT_TOLERANCES["float32"]
    on_hardware = (facts[check.hardware]["cuda_memory_mb"] > 0) == (check.hardware == "cuda")
    return {
        **facts[check.hardware],
        "logits_differ_by": difference,
        "tolerance": tolerance,
        "holds": {f"it ran on {check.hardware}": on_hardware, "logits differ by at most the tolerance": difference <= tolerance},
    }


def _soft_targets(*, teacher: Path, dataset: Path, output: Path) -> dict:
    facts = predict_soft_targets(teacher=teacher, dataset=dataset, output=output, name="soft targets")
    return facts | {"cuda_memory_mb": torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else 0.0}


def read_logits(folder: Path) -> np.ndarray:
    """Return soft targets [inputs, classes] as they are kept."""
    return np.stack(parquet.read_table(folder / FILE_NAME)["logits"].to_pylist())
