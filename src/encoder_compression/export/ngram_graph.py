"""A linear model of n-grams of token ids as an ONNX graph, which ONNX Runtime counts with ONNX's own operator TfIdfVectorizer."""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 10
LEAST = 1e-12  # a norm of none: a text without any known n-gram has the intercepts as its logits


@dataclass(frozen=True)
class LinearModel:
    """What the logits of a text are made of: x = idf of each n-gram that it holds, 0 of the others; x / |x| @ coefficients + intercepts.

    ``ngrams`` are tuples of token ids, ``idf`` has their weights [n-grams], ``coefficients`` are [n-grams, outputs], ``intercepts``
    [outputs].
    """

    ngrams: list[tuple[int, ...]]
    idf: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray


def write(model: LinearModel) -> ModelProto:
    """Return the graph: ids of tokens [batch, length] in, logits [batch, outputs] out. Padding counts where it is part of an n-gram."""
    order = sorted(range(len(model.ngrams)), key=lambda place: (len(model.ngrams[place]), model.ngrams[place]))
    constants = {
        "idf": model.idf[order].astype(np.float32),
        "coefficients": model.coefficients[order].astype(np.float32),
        "intercepts": model.intercepts.astype(np.float32),
        "axes": np.array([1]),
        "least": np.array(LEAST, dtype=np.float32),
    }
    nodes = [
        helper.make_node("TfIdfVectorizer", ["input_ids"], ["holds"], mode="IDF", **_pool([model.ngrams[place] for place in order])),
        helper.make_node("Mul", ["holds", "idf"], ["weighted"]),
        helper.make_node("MatMul", ["weighted", "coefficients"], ["product"], name="coefficients/MatMul"),
        helper.make_node("ReduceL2", ["weighted", "axes"], ["length"], keepdims=1),
        helper.make_node("Max", ["length", "least"], ["divisor"]),
        helper.make_node("Div", ["product", "divisor"], ["direction"]),
        helper.make_node("Add", ["direction", "intercepts"], ["logits"]),
    ]
    return _model(nodes, constants, outputs=len(model.intercepts))


def _pool(ngrams: list[tuple[int, ...]]) -> dict:
    """Return how the operator names the n-grams, the shorter ones first: its weights are 1, and its mode says whether one is there."""
    longest = len(ngrams[-1])
    sizes = [length * sum(len(ngram) == length for ngram in ngrams) for length in range(1, longest)]
    return {
        "min_gram_length": 1,
        "max_gram_length": longest,
        "max_skip_count": 0,
        "ngram_counts": [0, *np.cumsum(sizes, dtype=int).tolist()],
        "ngram_indexes": list(range(len(ngrams))),
        "pool_int64s": [int(token) for ngram in ngrams for token in ngram],
    }


def _model(nodes: list, constants: dict[str, np.ndarray], outputs: int) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "ngrams",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
