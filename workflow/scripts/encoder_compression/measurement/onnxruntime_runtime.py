"""Run an artifact's ONNX graph in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime

from encoder_compression.errors import UserError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Runtime:
    """A loaded graph: int64 arrays in, logits out."""

    def __init__(self, artifact: Path, *, hardware: str, threads: int):
        provider = PROVIDERS[hardware]
        if provider not in onnxruntime.get_available_providers():
            raise UserError(f"this build of onnxruntime has no {provider}; install one that has or take the device out of 'devices'")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "0" if hardware == "cpu" else "1")
        self.threads = threads
        self.session = onnxruntime.InferenceSession(artifact / "model.onnx", options, providers=[provider])
        used = self.session.get_providers()
        if used[0] != provider:
            raise UserError(f"onnxruntime fell back from {provider} to {used[0]}; the row would be mislabelled")
        self.names = {node.name for node in self.session.get_inputs()}

    def __call__(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Return logits [batch, classes] for ids and mask [batch, length]."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": np.zeros_like(input_ids)}
        return self.session.run(["logits"], {name: inputs[name] for name in self.names})[0]

    def facts(self) -> dict:
        """Return what ran it: threads, library version and execution provider."""
        return {
            "library": f"onnxruntime {onnxruntime.__version__}",
            "threads": self.threads,
            "ran_on": self.session.get_providers()[0],
        }

    def device_memory_mb(self) -> float | None:
        """ONNX Runtime does not tell what it holds on a device."""
        return None
