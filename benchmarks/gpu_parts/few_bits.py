"""Weights of 8 and 4 bits by bitsandbytes: made by the function that a study calls, reloaded, measured beside the float model."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gpu_parts.check import Check
from gpu_parts.children import MissingPackage
from gpu_parts.rows import PYTORCH, compare_row, measured_model, trained_model
from gpu_parts.training import LIMIT

MODULE = "encoder_compression.quantization.pytorch_model"
METHODS = {
    "LLM.int8": {"bits": 8, "threshold": 6.0},
    "NF4": {"bits": 4, "type": "nf4", "double": True},
    "FP4": {"bits": 4, "type": "fp4", "double": False},
}


def quantize(check: Check, method: str) -> dict:
    """Quantize both models, whose files must give back what was made, and compare the row with the float models on the CPU."""
    if importlib.util.find_spec(MODULE) is None:
        raise MissingPackage(MODULE)
    try:
        version("bitsandbytes")
    except PackageNotFoundError:
        raise MissingPackage("bitsandbytes") from None
    facts, artifacts = {}, {}
    for name, model in (("measured", measured_model(check)), ("trained", trained_model(check))):
        artifacts[name] = check.folder / "quantized" / method / name
        given = {"model": model, "dataset": check.dataset, "method": method, "output": artifacts[name]}
        facts[name] = check.run(_quantize, limit=LIMIT, hardware="cpu", **given)
    precision = {"cuda": "float16", "cpu": "float32"}[check.hardware]
    device = PYTORCH | {"hardware": check.hardware, "precision": precision}
    return {"quantized": facts} | compare_row(check, **artifacts, device=device, name=method, form=method)


def _quantize(*, model: Path, dataset: Path, method: str, output: Path) -> dict:
    technique = importlib.import_module(MODULE).quantize
    return technique(parent=model, dataset=dataset, options={"method": "bitsandbytes"} | METHODS[method], output=output)
