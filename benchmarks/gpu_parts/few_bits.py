"""Weights of 8 and 4 bits by bitsandbytes: made by the function that a study calls, reloaded, measured beside the float model."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gpu_parts.check import Check
from gpu_parts.children import MissingPackage
from gpu_parts.rows import PYTORCH, compare_row, measured_model
from gpu_parts.training import LIMIT

MODULE = "encoder_compression.quantization.pytorch_model"
METHODS = {
    "LLM.int8": {"bits": 8, "threshold": 6.0},
    "NF4": {"bits": 4, "type": "nf4", "double": True},
    "FP4": {"bits": 4, "type": "fp4", "double": False},
}


def quantize(check: Check, method: str) -> dict:
    """Quantize the measured model, whose file must give back what was made, and compare its row with the float model on the CPU."""
    if importlib.util.find_spec(MODULE) is None:
        raise MissingPackage(MODULE)
    try:
        version("bitsandbytes")
    except PackageNotFoundError:
        raise MissingPackage("bitsandbytes") from None
    artifact = check.folder / "quantized" / method
    facts = check.run(_quantize, limit=LIMIT, model=measured_model(check), dataset=check.dataset, method=method, output=artifact)
    precision = {"cuda": "float16", "cpu": "float32"}[check.hardware]
    device = PYTORCH | {"hardware": check.hardware, "precision": precision}
    return facts | compare_row(check, artifact, device, method, form=method)


def _quantize(*, model: Path, dataset: Path, method: str, output: Path) -> dict:
    technique = importlib.import_module(MODULE).quantize
    return technique(parent=model, dataset=dataset, options={"method": "bitsandbytes"} | METHODS[method], output=output)
