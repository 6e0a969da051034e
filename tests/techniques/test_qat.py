"""What training rounds is what the quantized graph holds, and a model that trained with it loses less by quantization."""

import copy

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from conftest import load_tiny, make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.quantization import fake
from encoder_compression.quantization import graph as graphs
from encoder_compression.run import provenance
from encoder_compression.runtimes.workload import Workload
from encoder_compression.study.controls import control_of
from encoder_compression.techniques.qat import qat
from encoder_compression.techniques.quantize import quantize
from encoder_compression.training.train import Goal


def product(matrix: np.ndarray) -> onnx.ModelProto:
    """Return a graph that multiplies by a matrix [inputs, outputs]."""
    shape = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size]) for name, size in zip("xy", matrix.shape, strict=True)
    }
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "/layer.0/intermediate/dense/MatMul")
    graph = helper.make_graph([node], "product", [shape["x"]], [shape["y"]], [numpy_helper.from_array(matrix, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(graph: onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    return graphs.session(graph).run(None, {"x": inputs})[0]


@pytest.fixture
def weight() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(24, 96) * torch.logspace(-2, 0, 24)[:, None]


@pytest.mark.parametrize("block", [16, 32, 64])
def test_four_bits_are_those_of_onnx_runtimes_own_quantizer(weight, block):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(product(weight.T.contiguous().numpy()), bits=4, block_size=block, is_symmetric=True, accuracy_level=1)
    quantizer.process()
    stored = run(quantizer.model.model, np.eye(96, dtype=np.float32)).T  # the matrix itself
    np.testing.assert_allclose(fake.in_blocks(weight, block).numpy(), stored, atol=1e-6)


def test_eight_bits_are_those_of_onnx_runtimes_own_quantizer(weight, tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(product(weight.T.contiguous().numpy()), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx", per_channel=True, weight_type=QuantType.QInt8)
    inputs = torch.randn(7, 96) + 0.3
    expected = run(onnx.load(tmp_path / "int8.onnx"), inputs.numpy())
    found = fake.by_batch(inputs) @ fake.per_output(weight).T
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs((inputs @ weight.T).numpy() - expected).max() > 1e-3 * np.abs(expected).max()  # what rounding changes


def test_gradients_pass_as_if_nothing_were_rounded(weight):
    for rounded in (fake.per_output, lambda values: fake.in_blocks(values, 32), fake.by_batch):
        leaf = weight.clone().requires_grad_()
        rounded(leaf).sum().backward()
        assert (leaf.grad == 1).float().mean() > 0.97  # but for what the range cuts off


@pytest.mark.parametrize("bits", [4, 8])
def test_a_layer_that_trained_with_the_rounding_loses_less_by_it(bits):
    """Against the same training without rounding, on inputs of which some go together, so that errors of weights can cancel."""
    torch.manual_seed(0)
    inputs = torch.randn(400, 6) @ torch.randn(6, 32) + 0.05 * torch.randn(400, 32)
    wanted = torch.nn.Linear(32, 16, bias=False)
    wanted.weight.data[:, 0] *= 20  # its steps are those of all others
    expected = wanted(inputs).detach()

    def lost(trained_in_bits: int) -> float:
        layer = copy.deepcopy(wanted)
        model = torch.nn.Sequential(layer)
        rounded = fake.Rounded(bits=trained_in_bits, block=32)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(300):
            weight = layer.weight if trained_in_bits == 32 else rounded(layer.weight)
            loss = ((inputs @ weight.T - expected) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(((inputs @ fake.Rounded(bits=bits, block=32)(layer.weight).T - expected) ** 2).mean())

    assert lost(bits) < 0.8 * lost(32)


TRAINING = {
    "epochs": 1, "learning_rate": 1.0e-3, "batch_size": 8, "accumulation": 1, "warmup": 0.1, "weight_decay": 0.0, "patience": 2,
    "precision": "float32",
}  # fmt: skip
OPTIONS = {"bits": 4, "block": 32, "gate": 0, "temperature": 1, "loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}}


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """A classifier whose answers change by rounding, as what is large in a block sets the steps of all others."""
    folder = tmp_path_factory.mktemp("coarse")
    encoder = make_encoder(folder / "encoder", layers=1)
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    torch.manual_seed(1)
    for linear in pretrained.encoder_linears(network).values():
        torch.nn.init.normal_(linear.weight, std=0.1)
        linear.weight.data[:, ::32] *= 6
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder / "model")
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts={"validation_score": 1.0})
    return folder


def train(coarse, dataset, folder, **changes) -> dict:
    """Train towards the labels alone, which needs no soft targets of a teacher."""
    return qat(
        parent=coarse / "model",
        teacher=coarse / "model",
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=OPTIONS | {"training": TRAINING} | changes,
        model=folder / "model",
        curve=folder / "training.csv",
    )


def test_the_step_writes_a_plain_model_whose_loss_on_validation_was_that_of_the_graph_in_few_bits(coarse, dataset, tiny, tmp_path):
    """In 4 bits: what 8 bits change here is as small as what the order of sums does."""
    facts = train(coarse, dataset, tmp_path, bits=4)
    network = pretrained.load_model(tmp_path / "model")
    before = pretrained.load_model(coarse / "model").state_dict()
    assert network.state_dict().keys() == before.keys()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    onnx_graph.export(model=tmp_path / "model", options=tiny.options["export"], output=tmp_path / "onnx")
    options = tiny.options["quantize"]["int4"] | {"block": 32, "embeddings": "float32", "metric": "accuracy"}
    quantize(parent=tmp_path / "onnx", dataset=dataset, options=options, output=tmp_path / "few", name="test")
    exact, few = (loss(tmp_path / name / "model.onnx", dataset) for name in ("onnx", "few"))
    assert abs(facts["validation_loss"] - few) < 0.3 * abs(exact - few)


def loss(graph, dataset) -> float:
    """Return the mean cross-entropy of a graph on validation, in one batch as the training had it."""
    running, work = graphs.session(graph), Workload(dataset, "validation")
    labels = pd.read_parquet(dataset / "validation.parquet")["label"].to_numpy(dtype=np.int64)
    found = [(graphs.answer(running, batch), labels[chosen]) for chosen, batch in work.batches(32, np.arange(len(labels)), padded=False)]
    logits, labels = (np.concatenate(part) for part in zip(*found, strict=True))
    return float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)))


@pytest.mark.parametrize(("bits", "layers"), [(8, 8), (4, 6), (32, 0)])
def test_the_rounding_covers_the_products_that_will_be_quantized_and_leaves_exact_weights(coarse, bits, layers):
    network = pretrained.load_model(coarse / "model").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    ids = torch.arange(5, 25)[None]
    exact = pretrained.logits(network(input_ids=ids))
    rounding = fake.FakeQuantization(network, bits=bits, block=32)
    assert len(rounding.layers) == layers
    assert torch.equal(pretrained.logits(network(input_ids=ids)), exact) == (bits == 32)
    rounding.take_off()
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def study_with(*variants, **changes):
    step = {"control": True, "teacher": "teacher"} | OPTIONS | {"training": {"epochs": 1}} | changes
    return load_tiny(qat={"aware": step, "aware-control": step | {"bits": 32}}, variants=list(variants), compare=[])


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("teacher+magnitude60+aware+int4", "would fill the zeros of 'magnitude60'"),
        ("teacher+aware+width40+int4", "would undo what 'aware' learnt"),
        ("teacher+int4+aware", "follows the quantized step"),
        ("teacher+aware+int8", "trains for 4 bits, but 'int8' stores others"),
    ],
)
def test_an_order_that_cannot_help_is_refused(variant, message):
    with pytest.raises(UserError, match=message):
        study_with(variant, block=16)


def test_another_block_than_the_one_trained_for_is_refused():
    with pytest.raises(UserError, match="with the same block"):
        study_with("teacher+aware+int4", block=64)


def test_what_follows_the_step_has_a_control_without_rounding():
    study = study_with("teacher+aware+words100+int4", block=16)
    assert control_of("teacher+aware+words100+int4", study.options) == "teacher+aware-control+words100+int4"
    study.check("teacher+aware-control+words100+int4")
    assert control_of("teacher+int4", study.options) is None
