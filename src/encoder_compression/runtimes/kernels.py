"""The number formats whose integer kernels are right and fast on a processor."""

from __future__ import annotations

import copy
import logging
import re
from typing import TYPE_CHECKING

from encoder_compression.run import environment

if TYPE_CHECKING:
    from onnx import ModelProto

log = logging.getLogger(__name__)
# Without VNNI, x86 adds two products of 8 bits in 16 and saturates, unless one factor has 7 bits.
SEVEN_BITS = ("avx2", "avx512")


def isa_of(hardware: dict) -> str:
    """Return the best instruction set that integer kernels are chosen for, of a machine as `environment.hardware` describes it."""
    if re.search("aarch64|arm64", hardware["system"]):
        return "arm64"
    flags = hardware["isa"]
    if {"avx512_vnni", "avx_vnni"} & set(flags):
        return "avx512_vnni"
    return "avx512" if "avx512f" in flags else "avx2"


def choose(isa: str) -> str:
    """Return the instruction set that the options name, or this machine's for "auto"; log where the two do not fit."""
    hardware = environment.hardware()
    if isa == "auto":
        return isa_of(hardware)
    if misfit := describe_misfit(isa, hardware):
        log.warning("%s; take 'isa: auto'", misfit)
    return isa


def describe_misfit(isa: str, hardware: dict) -> str | None:
    """Return what it costs that a graph made for one instruction set runs on a machine with another; None where it costs nothing."""
    here = isa_of(hardware)
    if isa == here or (isa in SEVEN_BITS and here in SEVEN_BITS):
        return None
    cost = "7 bits are less exact than the 8 it can take" if isa in SEVEN_BITS else "sums of 8 bits may saturate there, or be slow"
    return f"weights for '{isa}' on a machine with '{here}': {cost}"


def dynamic_int8(graph: ModelProto, *, isa: str, per_channel: bool, nodes: list[str]) -> ModelProto:
    """Return a copy of the ONNX graph whose named MatMul nodes multiply unsigned 8-bit activations by signed 8-bit weights.

    With unsigned weights ONNX Runtime takes kernels that are 2.6 times slower on x86, with signed activations 13 times.
    """
    from onnxruntime.quantization import QuantType  # here, as the tables ask this module too
    from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
    from onnxruntime.quantization.quant_utils import QuantizationMode

    quantizer = ONNXQuantizer(
        copy.deepcopy(graph),
        per_channel=per_channel,
        reduce_range=isa in SEVEN_BITS,
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=nodes,
        nodes_to_exclude=[],
        op_types_to_quantize=["MatMul"],
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )
    return quantizer.quantize_model()
