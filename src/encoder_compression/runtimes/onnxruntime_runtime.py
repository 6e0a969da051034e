"""Run an artifact's ONNX graph in ONNX Runtime."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from encoder_compression.errors import UserError
from encoder_compression.runtimes.workload import Batch

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# operators that multiply by a weight matrix, or by another activation, after ONNX Runtime's own fusions
INTEGER_PRODUCTS = {"MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "QAttention"}
FLOAT_PRODUCTS = {"MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Attention", "MultiHeadAttention"}


class Runtime:
    """A loaded graph: a batch in, logits out."""

    def __init__(self, artifact: Path, *, device: dict):
        self.hardware, self.threads = device["hardware"], device["threads"]
        self.provider = PROVIDERS[self.hardware]
        if self.provider not in onnxruntime.get_available_providers():
            raise UserError(f"this build of onnxruntime has no {self.provider}; install one that has or take the device out of 'devices'")
        self.graph = artifact / "model.onnx"
        self.session = self._open()
        used = self.session.get_providers()
        if used[0] != self.provider:
            raise UserError(f"onnxruntime fell back from {self.provider} to {used[0]}; the row would be mislabelled")
        self.names = {node.name for node in self.session.get_inputs()}

    def _open(self) -> onnxruntime.InferenceSession:
        """Return the loaded graph; UserError, with the names of operators, where some have no kernel of the provider."""
        try:
            return onnxruntime.InferenceSession(self.graph, self._options(), providers=[self.provider])
        except Fail as error:
            if "fallback to CPU EP" not in str(error):
                raise
        elsewhere = operators_elsewhere(self.graph, self.provider)
        names = ", ".join(f"{count} {name}" for name, count in elsewhere.most_common(4))
        raise UserError(
            f"{self.graph}: {sum(elsewhere.values())} nodes have no kernel of {self.provider} ({names}) and would fall back to the CPU; "
            "quantize with 'method: weights', or name other runtimes for the variant under 'runtimes'"
        )

    def _options(self) -> onnxruntime.SessionOptions:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "0" if self.hardware == "cpu" else "1")
        return options

    def prepare(self, lengths: np.ndarray, names: set[str]) -> None:
        """Nothing depends on the lengths of single inputs, or on the names of the inputs."""

    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits [batch, classes], [batch, length, vocabulary], or of a span's start and end [batch, 2, length]."""
        return self._run(self.session, batch)

    def _run(self, session: onnxruntime.InferenceSession, batch: Batch) -> np.ndarray:
        one_sentence = np.zeros_like(batch["input_ids"])  # what a model assumes that is told of no second one
        outputs = session.run(None, {name: batch.get(name, one_sentence) for name in self.names})
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=1)

    def facts(self) -> dict:
        """Return what ran it: threads, library version and execution provider."""
        return {
            "library": f"onnxruntime {onnxruntime.__version__}",
            "threads": self.threads,
            "ran_on": self.session.get_providers()[0],
            "padding": "none",
        }

    def proof(self, batch: Batch) -> dict:
        """Return, from ONNX Runtime's own profile of a call, how many nodes ran on which provider and the products' format."""
        with tempfile.TemporaryDirectory() as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = onnxruntime.InferenceSession(self.graph, options, providers=[self.provider])
            self._run(session, batch)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        ran = [event["args"] for event in events if event.get("cat") == "Node" and "provider" in event["args"]]
        operators = Counter(node["op_name"] for node in ran)
        matmuls = {
            "int8": sum(operators[name] for name in INTEGER_PRODUCTS),
            "few-bit weights": operators["MatMulNBits"],
            "float32": sum(operators[name] for name in FLOAT_PRODUCTS),
        }
        return {"nodes": dict(Counter(node["provider"] for node in ran)), "matmuls": {name: n for name, n in matmuls.items() if n}}

    def device_memory_mb(self) -> float | None:
        """ONNX Runtime does not tell what it holds on a device."""
        return None


def operators_elsewhere(graph: Path, provider: str) -> Counter:
    """Return how many nodes of each operator ONNX Runtime gives to another provider, by its own account of the graph as it would run."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(graph, options, providers=[provider])
    parts = [part for part in session.get_provider_graph_assignment_info() if part.ep_name != provider]
    return Counter(node.op_type for part in parts for node in part.get_nodes())
