"""Predictions of a trial's model on what a fold leaves out, which neither its training nor anything before it in the chain has read."""

from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from encoder_compression.data import tasks
from encoder_compression.quantization.fake import FakeQuantization
from encoder_compression.runtimes.pytorch_runtime import Runtime
from encoder_compression.runtimes.workload import Workload
from encoder_compression.statistics.finite import require_finite

LEFT_OUT, TUNED_ON = "test", "validation"  # splits of a fold's data set
BATCH_SIZE = 64
KEPT = ("label", "prediction", "group")  # all that a score asks for; the last only where examples come in groups


def predict(*, model: Path, dataset: Path, technique: str, options: dict, metric: str) -> dict[str, list]:
    """Return the columns "label", "prediction" and perhaps "group", with a row per example that the fold ``dataset`` leaves out.

    Computed in float32, of a qat step with the rounding that it trained for. A threshold is the one that is best on the fold's validation.
    UserError where a logit is not finite.
    """
    runtime = Runtime(model, device=_device())
    if technique == "qat":
        FakeQuantization(runtime.model, bits=options["bits"], block=options["block"])
    task = tasks.of_dataset(dataset)
    predicted = _decode(runtime, task, dataset, LEFT_OUT)
    if task.is_tuned(tasks.describe(dataset)):
        predicted, _ = task.tune(predicted, _decode(runtime, task, dataset, TUNED_ON), metric)
    return {name: list(predicted[name]) for name in KEPT if name in predicted}


def _device() -> dict:
    hardware = "cuda" if torch.cuda.is_available() else "cpu"
    return {"hardware": hardware, "precision": "float32", "threads": torch.get_num_threads()}


def _decode(runtime: Runtime, task: ModuleType, dataset: Path, split: str) -> dict[str, list]:
    """Return the columns of the predictions on a split, in its order."""
    workload = Workload(dataset, split)
    logits: list = [None] * len(workload.lengths)
    for chosen, batch in workload.batches(BATCH_SIZE, np.arange(len(logits)), padded=False):
        answers = runtime(batch)
        require_finite(answers, source="a trial's model", remedy="search lower values of training.learning_rate")
        for index, row in zip(chosen, task.reduce(answers), strict=True):
            logits[index] = row
    return task.decode(dataset, split, logits)
