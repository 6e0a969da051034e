"""What a training job leaves behind: checkpoints until it ends, then a model that was reloaded, and a curve."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.data import features
from encoder_compression.encoders import pretrained
from encoder_compression.run import provenance
from encoder_compression.training import processes
from encoder_compression.training.divergence import Diverged

CURVE_COLUMNS = [
    "step", "epoch", "seconds", "loss", "loss_hard", "loss_soft", "loss_hidden", "loss_relation", "learning_rate", "tokens_per_second",
    "eval_loss", "eval_perplexity", "eval_score",
]  # fmt: skip


def checkpoints_of(model: Path) -> Path:
    """Return the folder for a job's checkpoints: beside ``model``, because Snakemake deletes the outputs of a failed job."""
    return Path(model).parent / "checkpoints"


def claim_checkpoints(model: Path, *, options: dict, seed: int, inputs: list[Path]) -> Path:
    """Return `checkpoints_of` a model, emptied where another job wrote them.

    Checkpoints hold the optimizer's
    state as torch files, so only those are loaded that a job with the same options and inputs wrote.
    """
    folder = checkpoints_of(model)
    if processes.rank() == 0:
        _claim(folder, options=options, seed=seed, inputs=inputs)
    processes.wait()
    return folder


def _claim(folder: Path, *, options: dict, seed: int, inputs: list[Path]) -> None:
    claims = [options, seed, [provenance.fingerprint(path) for path in inputs]]
    claim = hashlib.sha256(json.dumps(claims, sort_keys=True).encode()).hexdigest()
    owner = folder / "owner"
    if folder.exists() and not (owner.exists() and owner.read_text(encoding="utf-8") == claim):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    owner.write_text(claim, encoding="utf-8")


def drop_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a job that has published its model."""
    if processes.rank() == 0:
        shutil.rmtree(folder)


def publish(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, *, dataset: Path) -> PreTrainedModel:
    """Save a trained model, reload it, and return the reloaded one once its logits equal those of the trained one.

    Raises Diverged where a weight is not finite, and RuntimeError where the logits differ: then the saved model is not the one
    that was validated. Of several processes the first one saves; the others return the model.
    """
    model = model.eval().cpu()
    _require_finite(model, folder)
    if processes.rank():
        return model
    pretrained.save(model, tokenizer, folder)
    reloaded = pretrained.load_model(folder).eval()
    batch = tokenizer.pad(features.read(dataset, "validation")[:8].to_pydict(), return_tensors="pt")
    with torch.inference_mode():
        difference = (pretrained.logits(model(**batch)) - pretrained.logits(reloaded(**batch))).abs().max().item()
    if not difference <= 1e-6:
        raise RuntimeError(f"the saved model differs from the trained one by {difference:.2g} in its logits")
    return reloaded


def _require_finite(model: PreTrainedModel, folder: Path) -> None:
    broken = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise Diverged(
            f"{folder}: {len(broken)} of the model's parameters are not finite, {broken[0]} the first; "
            "lower learning_rate, or make the model anew that it starts from"
        )


def write_curve(curve: list[dict], path: Path) -> None:
    """Write a Trainer's log history as CSV: one row per logged interval or evaluation."""
    if processes.rank():
        return
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(entry for entry in curve if "loss" in entry or "eval_loss" in entry)
