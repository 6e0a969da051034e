"""Masked language modeling on random blocks with a model of BERT-base's shape: tokens per second, MFU, losses against the CPU's."""

import json
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel

from corpus_training import operations_per_token, peak, tokens_per_second, train_on_blocks, write_blocks
from encoder_compression.encoders import encoder_facts
from encoder_compression.training import objectives
from gpu_parts.check import Check
from gpu_parts.sizes import LOSS_TOLERANCES

LIMIT = 90  # seconds of a run


def utilise(check: Check, precision: str) -> dict:
    """Train in a precision, timed; and a few steps more, whose losses must be near those of the CPU in float32."""
    size = check.size
    given = {"encoder": check.encoder, "shape": size.language_model}
    timed = check.run(
        time_training, limit=LIMIT, folder=_made(check, f"timed_{precision}"), precision=precision, sides=size.sides, **size.timed, **given
    )
    folder = _made(check, f"compared_{precision}")
    losses = check.run(train_briefly, limit=LIMIT, folder=folder, precision=precision, **size.compared, **given)["losses"]
    expected = _expected_losses(check, given)
    difference = max(abs(loss - wanted) for loss, wanted in zip(losses, expected, strict=True))
    tolerance = LOSS_TOLERANCES[precision]
    compared = {"losses": losses, "losses_of_cpu": expected, "losses_differ_by": difference, "tolerance": tolerance}
    return timed | compared | {"holds": {"losses differ by at most the tolerance": difference <= tolerance}}


def _made(check: Check, name: str) -> Path:
    folder = check.folder / name
    folder.mkdir()
    return folder


def _expected_losses(check: Check, given: dict) -> list[float]:
    """Return the losses of the CPU in float32, computed once for all precisions."""
    kept = check.folder / "losses_on_cpu.json"
    if not kept.exists():
        amounts = {"precision": "float32", **check.size.compared}
        trained = check.run(train_briefly, limit=LIMIT, hardware="cpu", folder=_made(check, "compared_on_cpu"), **amounts, **given)
        kept.write_text(json.dumps(trained["losses"]), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def time_training(
    *, folder: Path, encoder: Path, shape: dict[str, int], precision: str, sides: tuple[int, ...], batch_size: int, length: int, steps: int
) -> dict:
    """Return tokens per second of a training, its operations, and the share of the measured peak that it uses (MFU)."""
    tokenizer, model = encoder_facts.load_tokenizer(encoder), make_language_model(encoder, shape)
    dataset = write_blocks(folder / "dataset", tokenizer, batch_size=batch_size, length=length, steps=steps)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    operations = operations_per_token(objectives.from_labels, model, dataset, tokenizer, batch_size)
    peaks = [peak(precision, sides)]
    amounts = {"batch_size": batch_size, "steps": steps, "precision": precision}
    history = train_on_blocks(model, objectives.from_labels, tokenizer, dataset, folder / "checkpoints", **amounts)
    peaks.append(peak(precision, sides))
    speed = tokens_per_second(history)
    return {
        "parameters": model.num_parameters(),
        "tokens_per_second": round(speed),
        "operations_per_token": round(operations),
        "peak_tflops_before_and_after": [round(rate / 1e12, 3) for rate in peaks],
        "utilisation": round(speed * operations / max(peaks), 4),
        "cuda_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6) if torch.cuda.is_available() else None,
    }


def train_briefly(
    *, folder: Path, encoder: Path, shape: dict[str, int], precision: str, batch_size: int, length: int, steps: int
) -> dict[str, list[float]]:
    """Return the loss of each step of a training of a few steps."""
    tokenizer, model = encoder_facts.load_tokenizer(encoder), make_language_model(encoder, shape)
    dataset = write_blocks(folder / "dataset", tokenizer, batch_size=batch_size, length=length, steps=steps)
    amounts = {"batch_size": batch_size, "steps": steps, "precision": precision}
    history = train_on_blocks(model, objectives.from_labels, tokenizer, dataset, folder / "checkpoints", **amounts)
    return {"losses": [entry["loss"] for entry in history if "loss" in entry]}


def make_language_model(encoder: Path, shape: dict[str, int]) -> PreTrainedModel:
    """Return a random model for masked language modeling, with the encoder's config but for what ``shape`` says."""
    torch.manual_seed(0)
    return AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(encoder, **shape))
