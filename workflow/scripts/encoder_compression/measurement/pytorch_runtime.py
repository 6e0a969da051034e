"""Run an artifact's weights in eager PyTorch, on the CPU or on CUDA."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from encoder_compression import encoders, environment
from encoder_compression.errors import UserError
from encoder_compression.measurement.workload import Batch


class Runtime:
    """A loaded model: a batch in, logits out, finished when the call returns."""

    def __init__(self, artifact: Path, *, device: dict):
        hardware, precision = device["hardware"], device["precision"]
        if hardware == "cuda" and not torch.cuda.is_available():
            raise UserError("the device asks for CUDA, but torch finds no usable GPU here; take the device out of 'devices'")
        if precision == "bfloat16" and hardware == "cpu" and not environment.cpu_has_bfloat16():
            raise UserError("this CPU has no bfloat16; take the device out of 'devices' or give it precision: float32")
        torch.set_num_threads(device["threads"])
        self.hardware = hardware
        self.model = encoders.load_model(artifact).eval().to(hardware, getattr(torch, precision))

    def prepare(self, lengths: np.ndarray) -> None:
        """Nothing depends on the lengths of single inputs."""

    @torch.inference_mode()  # by call, as it holds for one thread alone
    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits [batch, classes], [batch, length, vocabulary] or [batch, 2, length]; reading them back waits for the device."""
        out = self.model(**{name: torch.from_numpy(values).to(self.hardware) for name, values in batch.items()})
        return encoders.logits(out).float().cpu().numpy()

    def facts(self) -> dict:
        """Return what ran it: threads, library version and device."""
        return {
            "library": f"torch {torch.__version__}",
            "threads": torch.get_num_threads(),
            "ran_on": torch.cuda.get_device_name() if self.hardware == "cuda" else "cpu",
            "padding": "none",
        }

    def proof(self, batch: Batch) -> dict:
        """Return how many modules with weights ran on which device, and in which number format the products were."""
        ran, matmuls = Counter(), Counter()

        def note(module, inputs, output):
            weight = module.weight
            ran[weight.device.type] += 1
            if isinstance(module, torch.nn.Linear):
                matmuls[str(weight.dtype).removeprefix("torch.")] += 1

        hooks = [module.register_forward_hook(note) for module in self.model.modules() if hasattr(module, "weight")]
        self(batch)
        for hook in hooks:
            hook.remove()
        return {"nodes": dict(ran), "matmuls": dict(matmuls)}

    def device_memory_mb(self) -> float | None:
        """Return the peak of CUDA's allocator in MB of 10⁶ bytes, and begin a new one; None on the CPU."""
        if self.hardware != "cuda":
            return None
        peak = torch.cuda.max_memory_allocated() / 1e6
        torch.cuda.reset_peak_memory_stats()
        return peak
