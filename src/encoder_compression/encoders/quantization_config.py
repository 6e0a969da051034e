"""What config.json says of weights that are quantized for PyTorch: which library reads them, and nothing but what this workflow writes.

Importing this module imports neither torch nor transformers.
"""

import math
import re
from collections.abc import Callable

from encoder_compression.errors import UserError

KEY = "quantization_config"
LIBRARY = "quant_method"  # within it: the name of the library that reads the weights
BLOCK = 64  # weights that share a scale in bitsandbytes' 4 bits
TYPES = ("nf4", "fp4")
# What transformers 5.24.0 writes beside the options of a step; quantization_config in config.json is this and those, with no key more.
_OF_BITSANDBYTES = {
    "bnb_4bit_compute_dtype": "float32",
    "bnb_4bit_quant_storage": "uint8",
    "llm_int8_enable_fp32_cpu_offload": False,
    "llm_int8_has_fp16_weight": False,
    LIBRARY: "bitsandbytes",
}
_OF_TORCHAO = {"include_input_output_embeddings": False, "untie_embedding_weights": False, LIBRARY: "torchao"}
_PER_ROW = {"_data": {"dim": -1}, "_type": "PerRow", "_version": 1}
_TYPES_OF_TORCHAO = (
    {
        "_data": {
            "act_mapping_type": {"_data": "SYMMETRIC", "_type": "MappingType"},
            "granularity": _PER_ROW,
            "reduce_range": False,
            "set_inductor_config": True,
            "weight_only_decode": False,
        },
        "_type": "Int8DynamicActivationInt8WeightConfig",
        "_version": 2,
    },
    {"_data": {"granularity": _PER_ROW, "group_size": None, "set_inductor_config": True}, "_type": "Int8WeightOnlyConfig", "_version": 2},
)


def library(config: dict) -> str | None:
    """Return the library that reads the quantized weights of a model, by the content of its config.json; None where they are plain."""
    return (config.get(KEY) or {}).get(LIBRARY)


def is_weight_only(config: dict) -> bool:
    """Say whether weights are stored in 8 bits by torchao and multiplied in float."""
    return library(config) == "torchao" and config[KEY]["quant_type"]["default"]["_type"] == "Int8WeightOnlyConfig"


def require_known(name: str, config: dict) -> None:
    """Raise UserError where the content of config.json names quantized weights in another way than this workflow writes.

    transformers has twenty ways to quantize, and makes classes and patterns of what the key holds; none is needed but these two.
    """
    given = config.get(KEY)
    if given is not None and not (isinstance(given, dict) and (_is_of_bitsandbytes(given) or _is_of_torchao(given))):
        raise UserError(
            f"{name} of the encoder: '{KEY}' says that its weights are quantized, and how is not known; give it in floating point"
        )


def _is_of_bitsandbytes(given: dict) -> bool:
    four_bits = given.get("load_in_4bit")
    bits = {"load_in_4bit": four_bits, "_load_in_4bit": four_bits, "load_in_8bit": not four_bits, "_load_in_8bit": not four_bits}
    return isinstance(four_bits, bool) and _fits(given, _OF_BITSANDBYTES | bits, _FREE_OF_BITSANDBYTES)


def _is_of_torchao(given: dict) -> bool:
    return _fits(given, _OF_TORCHAO, _FREE_OF_TORCHAO)


def _fits(given: dict, fixed: dict, free: dict[str, Callable]) -> bool:
    """Say whether ``given`` has the ``fixed`` entries, for each key of ``free`` a value that its function accepts, and nothing else."""
    same = all(type(given.get(key)) is type(value) and given[key] == value for key, value in fixed.items())
    return same and given.keys() == fixed.keys() | free.keys() and all(accepts(given[key]) for key, accepts in free.items())


def _are_names(value) -> bool:
    """Say whether a value lists names of modules; transformers reads them as regular expressions."""
    return isinstance(value, list) and all(
        isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*", name) for name in value
    )


def _is_threshold(value) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


_FREE_OF_BITSANDBYTES = {
    "bnb_4bit_quant_type": lambda value: value in TYPES,
    "bnb_4bit_use_double_quant": lambda value: isinstance(value, bool),
    "llm_int8_skip_modules": _are_names,
    "llm_int8_threshold": _is_threshold,
}
_FREE_OF_TORCHAO = {
    "modules_to_not_convert": _are_names,
    "quant_type": lambda value: isinstance(value, dict) and value.keys() == {"default"} and value["default"] in _TYPES_OF_TORCHAO,
}
