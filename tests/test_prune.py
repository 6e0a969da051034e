"""Pruned weights are zero and stay zero: through recovery, saving, export and quantization."""

import pytest
import torch

from conftest import make_encoder
from encoder_compression import encoders
from encoder_compression.measurement import contents
from encoder_compression.techniques import onnx_graph
from encoder_compression.techniques.prune import make_permanent, mask_smallest, prune
from encoder_compression.training.train import Goal


@pytest.fixture(scope="module")
def parent(tmp_path_factory, encoder, dataset):
    folder = tmp_path_factory.mktemp("parent")
    encoders.save(
        encoders.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2}), encoders.load_tokenizer(encoder), folder
    )
    return folder


@pytest.fixture(scope="module")
def pruned(tmp_path_factory, parent, dataset, tiny):
    folder = tmp_path_factory.mktemp("pruned")
    facts = prune(
        parent=parent,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=tiny.options["prune"]["magnitude60"],
        model=folder / "model",
        curve=folder / "training.csv",
    )
    return folder / "model", facts


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_asked_share_of_encoder_weights_is_masked(tmp_path, architecture, scope):
    model = encoders.add_head(make_encoder(tmp_path, architecture), "AutoModelForSequenceClassification", {"num_labels": 2})
    head = {name: tensor.clone() for name, tensor in model.state_dict().items() if "classifier" in name or "embedding" in name}
    mask_smallest(model, 0.6, scope)
    make_permanent(model)
    counted = encoders.count_zeros(model)
    assert counted["zeros"] == pytest.approx(0.6 * counted["weights"], abs=12)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in head.items())


def test_the_smallest_weights_go_first(encoder):
    model = encoders.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    before = torch.cat([linear.weight.flatten() for linear in encoders.encoder_linears(model).values()]).abs()
    mask_smallest(model, 0.3, "global")
    make_permanent(model)
    after = torch.cat([linear.weight.flatten() for linear in encoders.encoder_linears(model).values()])
    assert before[after == 0].max() <= before[after != 0].min()


def test_zeros_survive_training_and_saving(pruned):
    model, facts = pruned
    counted = encoders.count_zeros(encoders.load_model(model))
    assert counted == facts["zeros_after_recovery"] == facts["zeros_after_saving"]
    assert counted["zeros"] == round(0.6 * counted["weights"])


def test_masks_are_baked_in(pruned):
    names = encoders.load_model(pruned[0]).state_dict()
    assert not [name for name in names if name.endswith(("_orig", "_mask"))]


def test_recovery_really_trains_the_weights_that_are_left(pruned, parent):
    before, after = (encoders.load_model(folder) for folder in (parent, pruned[0]))
    pairs = zip(encoders.encoder_linears(before).values(), encoders.encoder_linears(after).values(), strict=True)
    assert all(not torch.equal(one.weight[other.weight != 0], other.weight[other.weight != 0]) for one, other in pairs)


def test_the_parent_is_left_as_it_was(pruned, parent, encoder):
    assert encoders.count_zeros(encoders.load_model(parent))["zeros"] == 0


def test_zeros_survive_export_and_quantization(pruned, tiny, tmp_path):
    model, facts = pruned
    exported = onnx_graph.export(model=model, options=tiny.options["export"], output=tmp_path / "onnx")
    onnx_graph.quantize(parent=tmp_path / "onnx", options=tiny.options["quantize"]["int8"], output=tmp_path / "int8")
    zeros = contents.zeros_in_matrices(model)
    assert zeros >= facts["zeros_after_saving"]["zeros"]
    assert exported["zeros_in_matrices"] == zeros
    assert contents.zeros_in_matrices(tmp_path / "int8") >= zeros
