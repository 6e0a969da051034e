"""How a training that was killed goes on: from its newest complete checkpoint, or from its end."""

import json
import logging
import shutil
from pathlib import Path

from safetensors.torch import load_file, load_model
from transformers import PreTrainedModel
from transformers.trainer_utils import get_last_checkpoint

from encoder_compression.training import processes

log = logging.getLogger(__name__)


def remember(path: Path, record: dict | list) -> None:
    """Write what a job must not compute anew after a kill, such as how its training ended; the first process, all of it or nothing."""
    if processes.rank():
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record), encoding="utf-8")
    part.replace(path)


def recall(path: Path, model: PreTrainedModel) -> tuple[list[dict], dict]:
    """Give the model the best weights of a training that had ended; returns its curve and facts."""
    record = json.loads(path.read_text(encoding="utf-8"))
    whole = Path(record["best"]) / "model.safetensors"
    if whole.exists():
        load_model(model, whole)
    else:  # of a model whose updates alone were trained
        model.load_adapter(record["best"], model.active_adapter)
    return record["history"], record["facts"] | {"resumed": True}


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint, once the first process has cleared up."""
    if processes.rank() == 0:
        last_complete_checkpoint(folder)
    processes.wait()
    return last_complete_checkpoint(folder)


def last_complete_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that a training can resume from, after deleting those that were cut short or are not finite.

    The Trainer writes its state last, so a checkpoint without a readable one was cut short by a kill.
    """
    while folder.is_dir() and (newest := get_last_checkpoint(folder)):
        try:
            json.loads((Path(newest) / "trainer_state.json").read_text(encoding="utf-8"))
            if _has_finite_weights(Path(newest)):
                return newest
            log.warning("%s has weights that are not finite; resuming from the one before", newest)
        except (OSError, ValueError):
            log.warning("%s was not written to its end; resuming from the one before", newest)
        shutil.rmtree(newest)
    return None


def _has_finite_weights(checkpoint: Path) -> bool:
    weights = (weight for file in checkpoint.glob("*.safetensors") for weight in load_file(file).values())
    return all(bool(weight.isfinite().all()) for weight in weights)
