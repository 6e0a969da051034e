"""Trace a PyTorch model into an ONNX graph: the only module that touches an exporter.

`torch.onnx.export(dynamo=False)` names nodes after modules, which the roles of matmuls are read from. transformers' own `OnnxExporter`
was tried: on the default study's teacher it took 5 to 14 s in place of 1 s, for anonymous nodes and graphs that are 3 to 7 % slower.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import Tensor
from transformers import PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, bidirectional_mask_function

from encoder_compression.export import relative_positions

EAGER = "eager"  # transformers' attention in plain operators: one addition of the mask in place of a choice in every layer
AXES = {0: "batch_size", 1: "sequence_length"}


def trace(model: PreTrainedModel, *, inputs: tuple[str, ...], opset: int, file: Path) -> None:
    """Write the ONNX graph of a model, with free batch size and length, to ``file``.

    ``inputs`` names what it takes, each int64 [batch, length]. Its outputs are the logits, under their names in transformers.
    A matrix that the head shares with the embeddings is stored once.
    """
    model.eval().set_attn_implementation(EAGER)
    batch = _example(inputs)
    with torch.no_grad(), _mask_of_keys(), relative_positions.looked_up(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that a trace fixes: the comparison with PyTorch runs other shapes
        outputs = {name: _axes(name, model) for name in model(**batch) if name.endswith("logits")}
        torch.onnx.export(
            model,
            (batch,),
            str(file),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys(inputs, AXES) | outputs,
            opset_version=opset,
            dynamo=False,
        )
    _store_once(model, file)


def _example(inputs: tuple[str, ...]) -> dict[str, Tensor]:
    """Return a batch [2, 16] whose second row is padded: values that no choice while tracing depends on."""
    ids = torch.arange(5, 37).view(2, 16)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: values[name] for name in inputs}


def _axes(output: str, model: PreTrainedModel) -> dict[int, str]:
    """Return the free axes of an output: classes are as many for each length."""
    is_of_inputs = output == "logits" and "SequenceClassification" in type(model).__name__
    return {0: AXES[0]} if is_of_inputs else AXES


@contextmanager
def _mask_of_keys() -> Iterator[None]:
    """Let eager attention add one row of the mask [batch, 1, 1, length] to all queries, in place of a square of equal rows.

    It saves about 3 % of the time of a batch of one. Masks that differ between queries, as of local attention, stay as they are.
    """
    mask_of_pairs = ALL_MASK_ATTENTION_FUNCTIONS[EAGER]

    def mask(*, mask_function, attention_mask, dtype, **sizes):
        if mask_function is not bidirectional_mask_function:
            return mask_of_pairs(mask_function=mask_function, attention_mask=attention_mask, dtype=dtype, **sizes)
        return (1 - attention_mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min

    ALL_MASK_ATTENTION_FUNCTIONS[EAGER] = mask
    try:
        yield
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS[EAGER]  # transformers' own is behind it


def _store_once(model: PreTrainedModel, file: Path) -> None:
    """Let a head that shares the embedding matrix read it transposed, where the trace has stored it a second time."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is not embeddings.weight:
        return
    graph = onnx.load(file)
    _share(graph, embeddings.weight.detach().numpy())
    onnx.save(graph, file)


def _share(graph: ModelProto, table: np.ndarray) -> None:
    """Replace the constant that is the transposed ``table`` [entries, width] by a node that transposes the table itself."""
    tensors = list(graph.graph.initializer)
    same_shape = {shape: [tensor for tensor in tensors if tuple(tensor.dims) == shape] for shape in (table.shape, table.T.shape)}
    (stored,) = [tensor for tensor in same_shape[table.shape] if np.array_equal(numpy_helper.to_array(tensor), table)]
    for copy in same_shape[table.T.shape]:
        if np.array_equal(numpy_helper.to_array(copy), table.T):
            graph.graph.initializer.remove(copy)
            graph.graph.node.insert(0, helper.make_node("Transpose", [stored.name], [copy.name], f"{stored.name}_transposed", perm=[1, 0]))
