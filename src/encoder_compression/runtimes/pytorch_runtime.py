"""Run an artifact's weights in PyTorch, eager or compiled, on the CPU or on CUDA."""

import json
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import environment
from encoder_compression.runtimes import quantized_products
from encoder_compression.runtimes.workload import Batch

# operators that multiply by a weight matrix, and their inputs' formats, as PyTorch's profile calls them
FLOAT_PRODUCTS = {"aten::addmm", "aten::mm"}
INTEGER_PRODUCT = "quantized::linear_dynamic"
FORMATS = {"float": "float32", "c10::BFloat16": "bfloat16", "c10::Half": "float16"}
COMPILED = "Torch-Compiled Region"


class Runtime:
    """A loaded model: a batch in, logits out, finished when the call returns."""

    def __init__(self, artifact: Path, *, device: dict):
        self.hardware, precision = device["hardware"], device["precision"]
        if self.hardware == "cuda" and not torch.cuda.is_available():
            raise UserError("the device asks for CUDA, but torch finds no usable GPU here; take the device out of 'devices'")
        if precision == "bfloat16" and self.hardware == "cpu" and not environment.cpu_has_bfloat16():
            raise UserError("this CPU has no bfloat16; take the device out of 'devices' or give it precision: float32")
        torch.set_num_threads(device["threads"])
        floats = torch.float32 if precision == "int8" else getattr(torch, precision)
        model = pretrained.load_on(artifact, hardware=self.hardware, dtype=floats).eval()
        self.model = to_int8(model) if precision == "int8" else model
        self.is_compiled = bool(device.get("compile"))
        self.told: dict = {}

    def prepare(self, lengths: np.ndarray, names: set[str]) -> None:
        """Compile where the device asks for it: one program for single inputs and one for batches, both of any length."""
        if not self.is_compiled:
            return
        from torch._dynamo.exc import BackendCompilerFailed
        from torch._inductor.utils import fresh_cache

        self.model.compile(dynamic=True, options={"compile_threads": 1})
        start = time.monotonic()
        try:
            with fresh_cache():  # its own: programs of other runs would be read by pickle, and hide what compiling takes
                for size in (1, 2):
                    self({name: np.full((size, 16), name == "attention_mask", dtype=np.int64) for name in names})
        except BackendCompilerFailed as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"torch.compile does not work here ({reason}); install a C++ compiler and Python's headers "
                "(Debian: g++ and python3-dev), or take 'compile' out of the device"
            ) from None
        self.told = {"compile_seconds": time.monotonic() - start}

    @torch.inference_mode()  # by call, as it holds for one thread alone
    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits [batch, classes], [batch, length, vocabulary] or [batch, 2, length]; reading them back waits for the device."""
        out = self.model(**{name: torch.from_numpy(values).to(self.hardware) for name, values in batch.items()})
        return pretrained.logits(out).float().cpu().numpy()

    def facts(self) -> dict:
        """Return what ran it: threads, library version and device, and how long compiling took where that was asked for."""
        return self.told | {
            "library": f"torch {torch.__version__}",
            "threads": torch.get_num_threads(),
            "ran_on": torch.cuda.get_device_name() if self.hardware == "cuda" else "cpu",
            "padding": "none",
        }

    def proof(self, batch: Batch) -> dict:
        """Return, from PyTorch's own profile of a call, how many operators ran where, the products' format, and the compiled parts."""
        with torch.profiler.profile(record_shapes=True) as profile:
            self(batch)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "profile.json"
            profile.export_chrome_trace(str(file))
            events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
        ran = Counter(event.get("cat") for event in events)
        formats, others = quantized_products.split(events, config=self.model.config.to_dict(), hardware=self.hardware)
        formats.update(name for name in map(_format, others) if name)
        return {
            "nodes": {"cuda": ran["kernel"]} if ran["kernel"] else {"cpu": ran["cpu_op"]},
            "matmuls": dict(formats),
            "compiled": sum(event["name"].startswith(COMPILED) for event in events),
        }

    def device_memory_mb(self) -> float | None:
        """Return the peak of CUDA's allocator in MB of 10⁶ bytes, and begin a new one; None on the CPU."""
        if self.hardware != "cuda":
            return None
        peak = torch.cuda.max_memory_allocated() / 1e6
        torch.cuda.reset_peak_memory_stats()
        return peak


def to_int8(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model with linear layers that multiply in 8 bits on the CPU; all else stays in float32.

    Weights are signed with a scale per output, activations unsigned with one by batch, of 7 bits where the processor lacks
    VNNI. torchao, which is to follow this function, multiplies in 8 bits as well, but eager it is slower than float32.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantize_dynamic(model, {torch.nn.Linear: per_channel_dynamic_qconfig}, inplace=True)


def _format(event: dict) -> str | None:
    """Return the number format of an event of a profile that is a product with weights; None of any other event."""
    if event["name"] == INTEGER_PRODUCT:
        return "int8"
    return FORMATS[event["args"]["Input type"][1]] if event["name"] in FLOAT_PRODUCTS else None
