"""What a check ran on: card, driver, versions."""

import subprocess

import torch


def look_at_card() -> dict:
    """Return what torch tells of the card, once a product of matrices has run there; RuntimeError where there is none."""
    if not torch.cuda.is_available():
        raise RuntimeError("torch finds no usable GPU here; run with --device cpu to try the check itself")
    ones = torch.ones(64, 64, device="cuda")
    if (ones @ ones).sum().item() != 64**3:
        raise RuntimeError("a product of matrices of ones is wrong on the card")
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "memory_gb": round(properties.total_memory / 2**30, 1),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "bfloat16": torch.cuda.is_bf16_supported(including_emulation=False),
        "cuda_of_torch": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str | None:
    """Return the driver's version as nvidia-smi tells it; None where that does not answer."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split("\n")[0] or None
