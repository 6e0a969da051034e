"""What an artifact's files hold: bytes, parameters, zeros, number formats; read without torch."""

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from encoder_compression.export import compressed

WEIGHT_FILES = ("model.safetensors", "model.onnx", "model.onnx_data", "openvino_model.bin", "openvino_model.xml")
FORMS = {"model.onnx": "onnx", "openvino_model.xml": "openvino"}  # told by a file; weights alone are safetensors


def describe(artifact: Path) -> dict:
    """Return size on disk and compressed (MB of 10⁶ bytes), parameters, zeros, and parameters by number format.

    Tokenizer and config do not count. "matrices" are the weight matrices outside the embeddings, "matrix_zeros" the
    zeros in them.
    """
    files = [artifact / name for name in WEIGHT_FILES if (artifact / name).exists()]
    counts = Counter()
    for name, values in _arrays(artifact):
        zeros = values.size - int(np.count_nonzero(values))
        counts.update(parameters=values.size, zeros=zeros)
        if values.ndim == 2 and "embedding" not in name:
            counts.update(matrices=values.size, matrix_zeros=zeros)
    return {
        "size_mb": sum(file.stat().st_size for file in files) / 1e6,
        "compressed_mb": sum(compressed.size(file) for file in files) / 1e6,
        "parameters": counts["parameters"],
        "zeros": counts["zeros"],
        "matrices": counts["matrices"],
        "matrix_zeros": counts["matrix_zeros"],
        "dtypes": _dtypes(artifact),
    }


def zeros_in_matrices(artifact: Path) -> int:
    """Return how many elements of the weight matrices are exactly zero.

    Only matrices can be compared between a model and its graph: an exporter merges equal vectors, such as fresh biases.
    """
    return sum(values.size - int(np.count_nonzero(values)) for _, values in _arrays(artifact) if values.ndim == 2)


def _dtypes(artifact: Path) -> dict[str, int]:
    """Return how many elements the file stores in each number format, scales and shapes included."""
    counts = Counter()
    for _, number_format, values in _stored(artifact):
        counts[number_format] += values.size
    return dict(counts.most_common())


def _stored(artifact: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, number format, array) of everything that the file stores, weights of few bits one by one."""
    return _reader(artifact).stored(artifact)


def _arrays(artifact: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the parameters, quantized ones relative to their zero points."""
    return _reader(artifact).arrays(artifact)


def _reader(artifact: Path) -> ModuleType:
    """Return the module that reads the artifact's form."""
    form = next((form for file, form in FORMS.items() if (artifact / file).exists()), "safetensors")
    return importlib.import_module(f"encoder_compression.export.{form}_weights")
