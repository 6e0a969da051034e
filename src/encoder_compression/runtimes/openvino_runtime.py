"""Run an artifact's OpenVINO graph on the CPU."""

from collections import Counter
from pathlib import Path
from threading import Lock

import numpy as np
import openvino

from encoder_compression.encoders.encoder_facts import positions
from encoder_compression.errors import UserError
from encoder_compression.runtimes.workload import Batch

PRECISIONS = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16}
FORMATS = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "i8": "int8", "u8": "int8"}
PRODUCTS = ("FullyConnected", "MatMul")  # those that OpenVINO fuses with attention's softmax have no node of their own
MULTIPLE = 8  # of tokens, to which single inputs are padded
GRAPHS = 8  # so many of their lengths get a graph of their own


class Runtime:
    """A loaded graph: a batch in, logits out.

    OpenVINO loses more time than INT8 saves where every call has another length. So single inputs are padded to a multiple
    of 8 tokens, and the commonest of these lengths have a graph in which nothing but the values is left open.
    """

    def __init__(self, artifact: Path, *, device: dict):
        self.threads, self.precision = device["threads"], device["precision"]
        self.core = openvino.Core()
        if self.precision == "bfloat16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise UserError("this CPU has no bfloat16; take the device out of 'devices' or give it precision: float32")
        self.model = self.core.read_model(artifact / "openvino_model.xml")
        self.names = [node.get_any_name() for node in self.model.inputs]
        self.longest = positions(artifact)
        self.any_shape = self._compile(self.model)
        self.request = self.any_shape.create_infer_request()
        self.of_length: dict[int, openvino.InferRequest] = {}
        self.lock = Lock()  # a request holds one call at a time

    def _compile(self, model: openvino.Model, **more) -> openvino.CompiledModel:
        options = {
            # otherwise it takes bfloat16 wherever the CPU has it
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # the worker pins all threads itself
            "ENABLE_CPU_PINNING": False,
        }
        return self.core.compile_model(model, "CPU", options | more)

    def prepare(self, lengths: np.ndarray, names: set[str]) -> None:
        """Compile graphs of fixed length for the commonest of the ``lengths`` of single inputs, once padded; they know their inputs."""
        for length, _ in Counter(self._padded(lengths).tolist()).most_common(GRAPHS):
            self.of_length[length] = self._compile(self._fixed(length)).create_infer_request()

    def _fixed(self, length: int) -> openvino.Model:
        model = self.model.clone()
        model.reshape({name: [1, length] for name in self.names})
        return model

    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits [batch, classes], [batch, length, vocabulary], or of a span's start and end [batch, 2, length]."""
        size, length = batch["input_ids"].shape
        padded = int(self._padded(length)) if size == 1 else length
        with self.lock:
            outputs = _infer(self.of_length.get(padded, self.request) if size == 1 else self.request, self._inputs(batch, padded))
        if len(outputs) > 1:
            return np.stack(outputs, axis=1)[..., :length]
        return outputs[0][:, :length] if outputs[0].ndim == 3 else outputs[0]

    def _padded(self, lengths):
        """Return the next multiple of each length, or the longest that the model takes."""
        return np.maximum(lengths, np.minimum(-(-lengths // MULTIPLE) * MULTIPLE, self.longest))

    def _inputs(self, batch: Batch, length: int) -> Batch:
        """Return what the graph asks for, padded to the length; the attention mask leaves the padding out."""
        missing = length - batch["input_ids"].shape[1]
        one_sentence = np.zeros_like(batch["input_ids"])  # what a model assumes that is told of no second one
        return {name: np.pad(batch.get(name, one_sentence), ((0, 0), (0, missing))) for name in self.names}

    def facts(self) -> dict:
        """Return what ran it: threads, library version and device, and how single inputs were padded."""
        return {
            "library": f"openvino {openvino.__version__}",
            "threads": self.any_shape.get_property("INFERENCE_NUM_THREADS"),
            "ran_on": ", ".join(self.any_shape.get_property("EXECUTION_DEVICES")),
            "padding": f"to a multiple of {MULTIPLE} tokens",
            "graphs_of_fixed_length": sorted(self.of_length),
        }

    def proof(self, batch: Batch) -> dict:
        """Return, from OpenVINO's own account of a call, how many nodes ran on which device and the products' format."""
        compiled = self._compile(self.model, PERF_COUNT=True)
        request = compiled.create_infer_request()
        _infer(request, self._inputs(batch, int(self._padded(batch["input_ids"].shape[1]))))
        ran = sum(node.status == openvino.ProfilingInfo.Status.EXECUTED for node in request.profiling_info)
        kinds = [{key: value.astype(str) for key, value in node.get_rt_info().items()} for node in compiled.get_runtime_model().get_ops()]
        products = Counter(kind["runtimePrecision"] for kind in kinds if kind["layerType"] in PRODUCTS)
        matmuls = Counter()
        for name, count in products.items():
            matmuls[FORMATS.get(name, name)] += count
        return {"nodes": dict.fromkeys(compiled.get_property("EXECUTION_DEVICES"), ran), "matmuls": dict(matmuls)}

    def device_memory_mb(self) -> float | None:
        """The CPU's memory is the process's."""
        return None


def _infer(request: openvino.InferRequest, inputs: Batch) -> list[np.ndarray]:
    """Return copies of a request's outputs, as the next call overwrites them."""
    request.infer(inputs, share_inputs=True)
    return [request.get_output_tensor(index).data.copy() for index in range(len(request.model_outputs))]
