"""Products with weights that a library of quantized weights multiplies, found in PyTorch's own profile of a call."""

from collections import Counter

from encoder_compression.encoders import quantization_config

FOUR_BITS = {"bitsandbytes::gemm_4bit", "bitsandbytes::gemv_4bit"}
EIGHT_BITS = "bitsandbytes::int8_linear_matmul"
WITH_OUTLIERS = "bitsandbytes::int8_mixed_scaled_mm"  # 8 bits, and the few channels with outliers in float
HOLDERS = {*FOUR_BITS, EIGHT_BITS, WITH_OUTLIERS}
INTEGER_KERNEL, FLOAT_KERNEL = "aten::_int_mm", "aten::mm"
FEW_BITS = "few-bit weights"  # stored in few bits, multiplied in float


def split(events: list[dict], *, config: dict, hardware: str) -> tuple[Counter, list[dict]]:
    """Return how many products had which format, and the events of the trace that are no part of them.

    What runs within an operator of bitsandbytes belongs to it. The model's ``config`` says whether float products are of weights that
    torchao stores in 8 bits. Where a processor has no fast kernel for integers, bitsandbytes multiplies 8 bits in float.
    """
    timed = [event for event in events if "dur" in event]
    holders = [event for event in timed if event["name"] in HOLDERS]
    outer = [event for event in timed if not any(_holds(holder, event) for holder in holders)]
    formats = Counter(FEW_BITS for event in outer if event["name"] in FOUR_BITS)
    formats.update(_of_eight_bits(event, timed, hardware) for event in holders if event["name"] == EIGHT_BITS)
    formats.update("int8" for event in outer if event["name"] == INTEGER_KERNEL)
    if quantization_config.is_weight_only(config):
        formats.update(FEW_BITS for event in outer if event["name"] == FLOAT_KERNEL)
        outer = [event for event in outer if event["name"] != FLOAT_KERNEL]
    return formats, outer


def _of_eight_bits(product: dict, timed: list[dict], hardware: str) -> str:
    """Return the format in which bitsandbytes multiplied 8-bit weights by 8-bit activations."""
    in_integers = any(event["name"] == INTEGER_KERNEL and _holds(product, event) for event in timed)
    return "int8" if in_integers or hardware == "cuda" else FEW_BITS


def _holds(holder: dict, event: dict) -> bool:
    """Say whether an event ran within another one of the same thread."""
    begins = holder["ts"] <= event["ts"] and event["ts"] + event["dur"] <= holder["ts"] + holder["dur"]
    return begins and holder is not event and holder["tid"] == event["tid"]
