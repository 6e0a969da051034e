"""Numbers and models of GPUs in SLURM's words for generic resources: "gpu:a100:4(S:0-1),mps:100"."""

import re


def count_gpus(gres: str, *, model: str) -> int:
    """Return how many GPUs of a model a gres has or asks for, of any model where that is ""; a GPU without a number is one."""
    return sum(int(number) for _, number in _gpus(gres, model))


def wanted_model(resources: dict) -> str:
    """Return the model that a job's resources name: gpu_model: a100, or gres: "gpu:a100:2"; "" where any will do."""
    models = [model for model, _ in _gpus(str(resources.get("gres", "")), "") if model]
    return resources.get("gpu_model") or next(iter(models), "")


def _gpus(gres: str, model: str) -> list[tuple[str, str]]:
    """Return (model, number) of each kind of GPU, less those of another model; the places on the node, in brackets, do not matter."""
    kinds = re.findall(r"(?:^|,)gpu(?::([^:,(]*[^\d:,(][^:,(]*))?(?::(\d+))?(?=[,(]|$)", gres)
    return [(name, number or "1") for name, number in kinds if model in ("", name)]
