"""Weights to ONNX graphs, each compared with PyTorch."""

import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from encoder_compression.data.sources.encoder import TOKENIZER_FILES
from encoder_compression.encoders import pretrained
from encoder_compression.encoders.encoder_facts import positions, token_types
from encoder_compression.export import contents, tracing
from encoder_compression.runtimes import onnxruntime_runtime

GRAPH = "model.onnx"
PLAIN = {"hardware": "cpu", "threads": 1, "precision": "float32"}  # the device on which a graph is compared


def export(*, model: Path, options: dict, output: Path) -> dict:
    """Write the ONNX graph of a model, with free batch size and length, beside its config and tokenizer.

    Returns facts. Raises RuntimeError where its logits differ from PyTorch's by more than ``options["tolerance"]``,
    or where the graph does not hold exactly the model's zeros.
    """
    model, output = Path(model), Path(output)
    copy_companions(model, output)
    tracing.trace(pretrained.load_model(model), inputs=_inputs(model), opset=options["opset"], file=output / GRAPH)
    return compare(model, output, onnxruntime_runtime.Runtime(output, device=PLAIN), tolerance=options["tolerance"])


def _inputs(model: Path) -> tuple[str, ...]:
    """Return the names of a graph's inputs: token types where the encoder tells several segments apart."""
    return ("input_ids", "attention_mask", *(["token_type_ids"] if token_types(model) > 1 else []))


def compare(model: Path, graph: Path, runtime, *, tolerance: float) -> dict:
    """Return facts that show a graph, loaded in a runtime's `Runtime`, to be the same as the model; RuntimeError where it is not."""
    difference = largest_difference(model, runtime)
    if not difference <= tolerance:
        raise RuntimeError(f"logits of graph and PyTorch differ by {difference:.2g}, over the tolerance {tolerance:.2g}")
    before, after = (contents.zeros_in_matrices(Path(folder)) for folder in (model, graph))
    if before != after:
        raise RuntimeError(f"the model's matrices have {before} zeros, those of its graph {after}")
    return {"largest_logit_difference": difference, "zeros_in_matrices": after}


def copy_companions(parent: Path, output: Path) -> None:
    """Put config and tokenizer of one graph beside another."""
    output.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", *TOKENIZER_FILES):
        if (parent / name).exists():
            shutil.copyfile(parent / name, output / name)


def largest_difference(model: Path, runtime) -> float:
    """Return the largest difference of logits between PyTorch and a runtime's `Runtime` over batches of several shapes.

    Relative to the largest logit where that is over 1, since rounding grows with it. Each batch is padded, so a graph that
    ignores the attention mask or has a fixed length cannot pass.
    """
    network = pretrained.load_model(model).eval()
    longest = min(positions(model), 512)
    generator = np.random.default_rng(0)
    differences = []
    for batch_size, length in ((1, 5), (3, 17), (2, longest)):
        batch = _random_batch(generator, batch_size, length, network.config)
        with torch.inference_mode():
            expected = pretrained.logits(network(**{name: torch.from_numpy(batch[name]) for name in runtime.names})).numpy()
        differences.append(_relative(*(_at_tokens(logits, batch["attention_mask"], network) for logits in (expected, runtime(batch)))))
    return float(np.max(differences))  # NaN among them stays, which max would pass over


def _at_tokens(logits: np.ndarray, attention_mask: np.ndarray, network: PreTrainedModel) -> np.ndarray:
    """Return logits with 0 where they are of padding, of which no model says anything.

    ModernBERT's local layers have nothing to look at there, and each implementation of attention makes something else of that.
    """
    if logits.ndim == 2:
        return logits
    is_of_spans = type(network).__name__.endswith("ForQuestionAnswering")
    return np.where(attention_mask[:, None, :] if is_of_spans else attention_mask[:, :, None], logits, 0)


def _relative(expected: np.ndarray, logits: np.ndarray) -> float:
    return float(np.abs(expected - logits).max() / max(1.0, np.abs(expected).max()))


def _random_batch(generator: np.random.Generator, batch_size: int, length: int, config) -> dict[str, np.ndarray]:
    ids = generator.integers(0, config.vocab_size, (batch_size, length))
    attention_mask = np.ones_like(ids)
    attention_mask[1:, length // 2 :] = 0
    ids[attention_mask == 0] = config.pad_token_id
    kinds = generator.integers(0, max(getattr(config, "type_vocab_size", 1), 1), ids.shape)
    return {"input_ids": ids, "attention_mask": attention_mask, "token_type_ids": kinds}
