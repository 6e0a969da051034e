"""A graph in OpenVINO, on one thread and with a single stream, as its hint for latency compiles it."""

import sys
from pathlib import Path

sys.modules.setdefault("openvino_telemetry", None)  # it would report the use to a server

import openvino  # noqa: E402

from peers.loaders.tokens import Texts  # noqa: E402

OPTIONS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}


class Graph:
    """Runs the one `.xml` file of a folder."""

    def __init__(self, artifact: Path, inputs: Path):
        self.texts = Texts(artifact, inputs)
        (graph,) = artifact.glob("*.xml")
        compiled = openvino.Core().compile_model(graph, "CPU", OPTIONS)
        self.names = {name for port in compiled.inputs for name in port.get_names()}
        self.request = compiled.create_infer_request()
        self.files = [graph, graph.with_suffix(".bin"), self.texts.file]
        self.read = self.texts.read

    def classify(self, tokens: dict) -> str:
        """Return the label."""
        self.request.infer({name: values for name, values in tokens.items() if name in self.names})
        return self.texts.label(self.request.get_output_tensor(0).data)


load = Graph
