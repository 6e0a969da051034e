"""What each product costs when it alone is quantized, and which few of them are better kept in float."""

import bisect
import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from onnx import ModelProto, helper, numpy_helper

from encoder_compression.data import tasks
from encoder_compression.data.sampling import spread
from encoder_compression.quantization import graph as graphs
from encoder_compression.run import progress
from encoder_compression.runtimes.workload import Batch, Workload
from encoder_compression.statistics import quality

TOKENS = 2048  # of train, enough to rank products: 38 of MiniLM take about half a minute on one core
BATCH_SIZE = 8


def losses(graph: ModelProto, workload: Workload, name: str) -> dict[str, float]:
    """Return by product how far the logits move on average when it alone is quantized, the most sensitive first.

    The mean of |Δ logit| exists for classes, numbers and spans alike, and tells differences where a divergence of probabilities
    is blind because the model is sure.
    """
    batches = sample(workload)
    expected = _answers(graph, batches)
    changes = {}
    names = list(graphs.products(graph))
    with progress.bar(len(names), description=name, unit="product") as bar:
        for product in names:
            answers = _answers(simulate(graph, product), batches)
            changes[product] = float(
                np.mean([np.abs(answer - reference).mean() for answer, reference in zip(answers, expected, strict=True)])
            )
            bar.update()
    return dict(sorted(changes.items(), key=lambda item: -item[1]))


def sample(workload: Workload) -> list[Batch]:
    """Return some inputs, spread evenly over the split, with `TOKENS` tokens or a few more."""
    count = max(1, round(TOKENS / workload.lengths.mean()))
    chosen = spread(count, len(workload.lengths))
    return [batch for _, batch in workload.batches(BATCH_SIZE, chosen, padded=False)]


def _answers(graph: ModelProto, batches: list[Batch]) -> list[np.ndarray]:
    running = graphs.session(graph)
    return [graphs.answer(running, batch) for batch in batches]


def simulate(graph: ModelProto, product: str) -> ModelProto:
    """Return the graph with one product whose operands went to 8 bits and back: what the integer kernel computes, in float."""
    graph = copy.deepcopy(graph)
    node = graphs.products(graph)[product]
    weight = graphs.arrays(graph)[node.input[1]]
    matrix = numpy_helper.to_array(weight)
    scale = np.maximum(np.abs(matrix).max(axis=0) / 127, np.finfo(np.float32).tiny)
    place = list(graph.graph.node).index(node)
    graphs.add(graph, "simulated", (np.round(matrix / scale) * scale).astype(np.float32))
    integers = [f"{node.input[0]}_{part}" for part in ("integers", "integer_scale", "integer_zero")]
    pair = [
        helper.make_node("DynamicQuantizeLinear", [node.input[0]], integers),
        helper.make_node("DequantizeLinear", integers, [f"{node.input[0]}_rounded"]),
    ]
    node.input[0], node.input[1] = f"{node.input[0]}_rounded", "simulated"
    for new in reversed(pair):
        graph.graph.node.insert(place, new)
    return graph


def fewest(ranked: list[str], fits: Callable[[list[str]], bool]) -> list[str]:
    """Return the shortest beginning of ``ranked`` that ``fits``, taking it that more products in float are no worse."""
    count = bisect.bisect_left(range(len(ranked)), True, key=lambda count: fits(ranked[:count]))
    return ranked[:count]


class Validation:
    """The validation split, and what the float graph scores and predicts on it."""

    def __init__(self, graph: ModelProto, dataset: Path, metric: str):
        self.dataset, self.metric = Path(dataset), metric
        self.workload = Workload(self.dataset, "validation")
        self.logits = self._logits(graphs.session(graph))
        self.score = self._score(self.logits)
        self.predictions = self._predictions(self.logits)

    def compare(self, file: Path) -> dict[str, float]:
        """Return how many points a graph loses to the float one, and the share of examples with the same prediction."""
        logits = self._logits(graphs.session(file))
        same = [prediction == reference for prediction, reference in zip(self._predictions(logits), self.predictions, strict=True)]
        return {"lost_points": 100 * (self.score - self._score(logits)), "agreement": float(np.mean(same))}

    def _logits(self, running) -> list[np.ndarray]:
        logits: list = [None] * len(self.workload.lengths)
        for chosen, batch in self.workload.batches(BATCH_SIZE, np.arange(len(self.workload.lengths)), padded=False):
            for index, row in zip(chosen, graphs.answer(running, batch), strict=True):
                logits[index] = row
        return logits

    def _score(self, logits: list) -> float:
        return quality.score_logits(self.dataset, "validation", self.metric, logits)

    def _predictions(self, logits: list) -> list:
        return tasks.of_dataset(self.dataset).decode(self.dataset, "validation", logits)["prediction"]


def write(changes: dict[str, float], kept: list[str], folder: Path) -> None:
    """Write sensitivity.csv, a row per product, and the same as a picture, beside the graph."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    table = pd.DataFrame({"product": changes.keys(), "loss": changes.values()}).assign(
        kept_in_float=lambda rows: rows["product"].isin(kept)
    )
    table.to_csv(folder / "sensitivity.csv", index=False, float_format="%.6g")
    figure, axes = plt.subplots(figsize=(8, 0.2 * len(table) + 1.5), layout="constrained")
    axes.barh(table["product"], table["loss"], color=table["kept_in_float"].map({True: "#d55e00", False: "#0072b2"}))
    axes.invert_yaxis()
    axes.set_xlabel("mean |Δ logit| with this product alone in 8 bits (orange: kept in float)")
    figure.savefig(folder / "sensitivity.png", dpi=120)
    plt.close(figure)
