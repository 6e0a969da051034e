"""A graph in ONNX Runtime, on one thread."""

from pathlib import Path

import onnxruntime

from peers.loaders.tokens import Texts


class Graph:
    """Runs the one `.onnx` file of a folder."""

    def __init__(self, artifact: Path, inputs: Path):
        self.texts = Texts(artifact, inputs)
        (graph,) = artifact.rglob("*.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.names = [node.name for node in self.session.get_inputs()]
        self.files = [*graph.parent.glob(f"{graph.name}*"), self.texts.file]  # large weights lie beside their graph
        self.read = self.texts.read

    def classify(self, tokens: dict) -> str:
        """Return the label."""
        return self.texts.label(self.session.run(None, {name: tokens[name] for name in self.names})[0])


load = Graph
