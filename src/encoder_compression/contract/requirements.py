"""The packages of a delivery with exact versions: what this environment has of them and of all that they need."""

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OF_PREDICTING = {
    "onnxruntime": ("onnxruntime", "tokenizers", "numpy"),
    "openvino": ("openvino", "tokenizers", "numpy"),
    "pytorch": ("torch", "transformers", "safetensors", "tokenizers", "numpy"),
}
QUANTIZERS = {"bitsandbytes": ("accelerate", "bitsandbytes"), "torchao": ("torchao",)}  # what transformers needs besides
OF_SERVING = ("fastapi", "uvicorn", "pydantic")
SECTIONS = ("# predict.py", "# server.py", "# what these need")


def text(runtime: str, quantizer: str | None) -> str:
    """Return the content of requirements.txt for a runtime, and for the package that reads quantized weights, if any does."""
    predicting = _distributions((*OF_PREDICTING[runtime], *QUANTIZERS.get(quantizer, ())))
    direct = [predicting, _distributions(OF_SERVING)]
    behind = sorted(_closure([*direct[0], *direct[1]]) - {*direct[0], *direct[1]})
    blocks = ["\n".join([title, *map(_pin, names)]) for title, names in zip(SECTIONS, [*direct, behind], strict=True)]
    return "\n".join(blocks) + "\n"


def _distributions(modules: tuple[str, ...]) -> list[str]:
    """Return the names of the packages that hold modules: that of onnxruntime may be onnxruntime-gpu."""
    known = metadata.packages_distributions()
    return [canonicalize_name(known[module][0]) for module in modules]


def _closure(names: list[str]) -> set[str]:
    """Return packages with all that they need and this environment has."""
    waiting, needed = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # what is not here was not needed for what was measured
            continue
        needed.add(name)
        asked = map(Requirement, required)
        waiting += [canonicalize_name(each.name) for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    return needed


def _pin(name: str) -> str:
    return f"{name}=={metadata.version(name).partition('+')[0]}"
