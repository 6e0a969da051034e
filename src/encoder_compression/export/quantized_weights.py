"""What a file holds beside plain tensors where bitsandbytes or torchao has quantized its weights."""

import json

import numpy as np

# Ends of names: what only says how to read weights.
NO_PARAMETERS = (
    ".absmax", ".nested_absmax", ".quant_map", ".nested_quant_map", ".SCB", ".weight_format", "._weight_scale", "._weight_zero_point",
)  # fmt: skip
CODES = ".quant_map"  # of 4 bits: the number that each code stands for, relative to a block's scale
STATE = ".quant_state.bitsandbytes__"  # ends with the format, and holds JSON as bytes


def number_format(name: str, tensors: dict[str, np.ndarray]) -> str:
    """Return the number format of a tensor: that of four bits, ``nf4`` or ``fp4``, where it packs two of them in a byte."""
    formats = [other.removeprefix(name + STATE) for other in tensors if other.startswith(name + STATE)]
    return formats[0] if formats else str(tensors[name].dtype)


def is_parameter(name: str) -> bool:
    """Say whether a tensor holds weights, and not scales, codes or what else describes quantized ones."""
    return not name.endswith(NO_PARAMETERS) and STATE not in name


def unpacked(name: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Return a tensor as it is; of four bits [outputs, inputs] what each code stands for, relative to its block's scale."""
    kind = number_format(name, tensors)
    if kind == str(tensors[name].dtype):
        return tensors[name]
    shape = json.loads(tensors[f"{name}{STATE}{kind}"].tobytes())["shape"]
    halves = tensors[name].reshape(-1)
    codes = np.stack([halves >> 4, halves & 15], axis=-1).reshape(-1)[: np.prod(shape)]  # the upper half of a byte comes first
    return tensors[name + CODES][codes].reshape(shape)
