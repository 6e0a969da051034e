"""config.json may name quantized weights exactly as this workflow writes them, and in no other way."""

import copy

import pytest

from encoder_compression.encoders import quantization_config
from encoder_compression.errors import UserError

FOUR_BITS = {
    "_load_in_4bit": True,
    "_load_in_8bit": False,
    "bnb_4bit_compute_dtype": "float32",
    "bnb_4bit_quant_storage": "uint8",
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "llm_int8_enable_fp32_cpu_offload": False,
    "llm_int8_has_fp16_weight": False,
    "llm_int8_skip_modules": ["bert.pooler.dense", "classifier"],
    "llm_int8_threshold": 6.0,
    "load_in_4bit": True,
    "load_in_8bit": False,
    "quant_method": "bitsandbytes",
}
WEIGHT_ONLY = {
    "include_input_output_embeddings": False,
    "modules_to_not_convert": ["classifier"],
    "quant_method": "torchao",
    "quant_type": {
        "default": {
            "_data": {
                "granularity": {"_data": {"dim": -1}, "_type": "PerRow", "_version": 1},
                "group_size": None,
                "set_inductor_config": True,
            },
            "_type": "Int8WeightOnlyConfig",
            "_version": 2,
        }
    },
    "untie_embedding_weights": False,
}


def changed(config: dict, *path: str, value) -> dict:
    config = copy.deepcopy(config)
    part = config
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return config


def require(config) -> None:
    quantization_config.require_known("config.json", {"quantization_config": config})


@pytest.mark.parametrize(
    "config", [None, FOUR_BITS, FOUR_BITS | {"bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False}, WEIGHT_ONLY]
)
def test_what_the_workflow_writes_is_accepted(config):
    require(config)


@pytest.mark.parametrize(
    "config",
    [
        [],
        "bitsandbytes",
        {"quant_method": "bitsandbytes", "load_in_8bit": True},
        {"quant_method": "gptq", "bits": 4},
        FOUR_BITS | {"auto_map": {"AutoModel": "code.Model"}},
        FOUR_BITS | {"load_in_4bit": 1},
        FOUR_BITS | {"load_in_8bit": True},
        FOUR_BITS | {"bnb_4bit_compute_dtype": "__import__"},
        FOUR_BITS | {"bnb_4bit_quant_type": ["nf4"]},
        FOUR_BITS | {"llm_int8_threshold": float("nan")},
        FOUR_BITS | {"llm_int8_threshold": "6.0"},
        FOUR_BITS | {"llm_int8_skip_modules": ["(a+)+$"]},
        FOUR_BITS | {"llm_int8_skip_modules": "classifier"},
        {key: value for key, value in FOUR_BITS.items() if key != "bnb_4bit_quant_storage"},
        changed(WEIGHT_ONLY, "quant_type", "default", "_type", value="Int4WeightOnlyConfig"),
        changed(WEIGHT_ONLY, "quant_type", "default", "_data", "group_size", value=32),
        changed(WEIGHT_ONLY, "quant_type", "other", value={}),
        changed(WEIGHT_ONLY, "quant_type", value="int8_weight_only"),
    ],
)
def test_anything_else_is_refused(config):
    with pytest.raises(UserError, match="config.json of the encoder: 'quantization_config' says that its weights are quantized, and how"):
        require(config)


def test_which_library_reads_the_weights_is_told():
    configs = [{}, {"quantization_config": None}, {"quantization_config": FOUR_BITS}, {"quantization_config": WEIGHT_ONLY}]
    assert [quantization_config.library(config) for config in configs] == [None, None, "bitsandbytes", "torchao"]
    assert [quantization_config.is_weight_only(config) for config in configs] == [False, False, False, True]
