"""Weights to ONNX graphs and ONNX graphs to INT8: the only module that touches optimum's exporter."""

import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch

from encoder_compression import encoders, tasks
from encoder_compression.measurement import contents, onnxruntime_runtime
from encoder_compression.sources.encoder import TOKENIZER_FILES

log = logging.getLogger(__name__)
GRAPH = "model.onnx"
PLAIN = {"hardware": "cpu", "threads": 1, "precision": "float32"}  # the device on which a graph is compared


def export(*, model: Path, options: dict, output: Path) -> dict:
    """Write the ONNX graph of a model, with free batch size and length, beside its config and tokenizer.

    Returns facts. Raises RuntimeError where its logits differ from PyTorch's by more than ``options["tolerance"]``,
    or where the graph does not hold exactly the model's zeros.
    """
    from optimum.exporters.onnx import main_export  # here, as it takes seconds, and is not there for transformers 5

    main_export(
        str(model),
        str(output),
        task=tasks.hub_name(encoders.auto_class(model)),
        opset=options["opset"],
        do_validation=False,
        local_files_only=True,
    )
    difference = largest_difference(model, onnxruntime_runtime.Runtime(Path(output), device=PLAIN))
    if not difference <= options["tolerance"]:
        raise RuntimeError(f"logits of graph and PyTorch differ by {difference:.2g}, over the tolerance {options['tolerance']:.2g}")
    before, after = (contents.zeros_in_matrices(Path(folder)) for folder in (model, output))
    if before != after:
        raise RuntimeError(f"the model's matrices have {before} zeros, those of its ONNX graph {after}")
    return {"largest_logit_difference": difference, "zeros_in_matrices": after}


def largest_difference(model: Path, runtime) -> float:
    """Return the largest difference of logits between PyTorch and a runtime's `Runtime` over batches of several shapes.

    Relative to the largest logit where that is over 1, since rounding grows with it. Each batch is padded, so a graph that
    ignores the mask or has a fixed length cannot pass.
    """
    network = encoders.load_model(model).eval()
    longest = min(network.config.max_position_embeddings - 2, 512)
    generator = np.random.default_rng(0)
    differences = []
    for batch_size, length in ((1, 5), (3, 17), (2, longest)):
        batch = _random_batch(generator, batch_size, length, network.config)
        with torch.inference_mode():
            expected = encoders.logits(network(**{name: torch.from_numpy(batch[name]) for name in runtime.names})).numpy()
        differences.append(_relative(expected, runtime(batch)))
    return max(differences)


def _relative(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.abs(expected - found).max() / max(1.0, np.abs(expected).max()))


def _random_batch(generator: np.random.Generator, batch_size: int, length: int, config) -> dict[str, np.ndarray]:
    ids = generator.integers(0, config.vocab_size, (batch_size, length))
    mask = np.ones_like(ids)
    mask[1:, length // 2 :] = 0
    ids[mask == 0] = config.pad_token_id
    kinds = generator.integers(0, getattr(config, "type_vocab_size", 1), ids.shape)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}


def quantize(*, parent: Path, options: dict, output: Path) -> dict:
    """Write the dynamic INT8 form of a graph: signed 8-bit weights; returns facts about its operators.

    Signed weights with unsigned activations are the fast kernels of x86; zero stays exactly zero.
    Raises RuntimeError where nothing was quantized.
    """
    from optimum.onnxruntime import AutoQuantizationConfig, ORTQuantizer

    parent, output = Path(parent), Path(output)
    scheme = getattr(AutoQuantizationConfig, options["isa"])(is_static=False, per_channel=options["per_channel"])
    quantizer = ORTQuantizer.from_pretrained(parent, file_name=GRAPH)
    quantizer.quantize(save_dir=output, quantization_config=scheme, file_suffix="")
    for name in TOKENIZER_FILES:
        if (parent / name).exists():
            shutil.copyfile(parent / name, output / name)
    operators = [node.op_type for node in onnx.load(output / GRAPH, load_external_data=False).graph.node]
    integer = sum(operator in ("MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul") for operator in operators)
    if not integer:
        raise RuntimeError("no matrix product was quantized")
    remaining = sum(operator in ("MatMul", "Gemm") for operator in operators)
    return {"integer_matmuls": integer, "float_matmuls": remaining}
