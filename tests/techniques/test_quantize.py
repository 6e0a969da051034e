"""Quantized graphs hold fast integer weights, lose little by it, and have everything that is needed to run them."""

import copy
import shutil

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, numpy_helper
from transformers import AutoConfig, AutoTokenizer

from encoder_compression.errors import UserError
from encoder_compression.export import contents
from encoder_compression.quantization import graph as graphs
from encoder_compression.quantization import sensitivity
from encoder_compression.quantization.embeddings import quantize_embeddings
from encoder_compression.quantization.equalization import equalize, ranges, scales
from encoder_compression.runtimes import kernels
from encoder_compression.runtimes.workload import Workload
from encoder_compression.techniques.quantize import quantize

ROLES = ("query", "key", "value", "attention_output", "expansion", "contraction")


@pytest.fixture
def make(exported, dataset, tiny, tmp_path):
    """Return a function that quantizes the exported graph with some options changed, and returns folder and facts."""

    def with_options(parent=exported[0] / "onnx", dataset=dataset, **changes):
        options = tiny.options["quantize"]["int8"] | {"metric": "accuracy"} | changes
        output = tmp_path / "quantized"
        return output, quantize(parent=parent, dataset=dataset, options=options, output=output, name="test")

    return with_options


@pytest.fixture
def graph(exported):
    return graphs.read(exported[0] / "onnx" / "model.onnx")


@pytest.fixture
def lively(graph):
    """The graph with such weights and normalizations that its logits depend on what it reads, unlike those of a fresh model."""
    constants = graphs.arrays(graph)
    gains = [node.input[1] for node in graph.graph.node if node.op_type == "LayerNormalization"]
    for name in [*gains, *(node.input[1] for node in graphs.products(graph).values())]:
        values = numpy_helper.to_array(constants[name])
        constants[name].CopyFrom(numpy_helper.from_array(np.ones_like(values) if name in gains else values * 6, name))
    return graph


@pytest.fixture
def save(exported, tmp_path):
    """Return a function that puts a graph into an artifact of its own."""

    def as_artifact(graph):
        folder = shutil.copytree(exported[0] / "onnx", tmp_path / "parent")
        onnx.save(graph, folder / "model.onnx")
        return folder

    return as_artifact


def answers(graph, dataset) -> np.ndarray:
    running = graphs.session(graph)
    work = Workload(dataset, "validation")
    batches = work.batches(4, np.arange(len(work.lengths)), padded=False)
    return np.concatenate([graphs.answer(running, batch) for _, batch in batches])


def test_quantized_weights_are_signed_per_channel_and_four_times_smaller(exported, make):
    folder, facts = make()
    tensors = {tensor.name: tensor for tensor in onnx.load(folder / "model.onnx").graph.initializer}
    weights = [name for name in tensors if name.endswith("MatMul_quantized") or "onnx::MatMul" in name and name.endswith("_quantized")]
    assert weights
    for name in weights:
        assert tensors[name].data_type == TensorProto.INT8
        scale = tensors[name.replace("_quantized", "_scale")]
        assert list(scale.dims) == [tensors[name].dims[1]]
    assert facts["integer_matmuls"] >= len(weights)
    assert contents.describe(folder)["size_mb"] < 0.5 * contents.describe(exported[0] / "onnx")["size_mb"]


def test_a_quantized_artifact_has_what_is_needed_to_run_it(make):
    folder, _ = make()
    running = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    batch = AutoTokenizer.from_pretrained(folder)(["a warm film"], return_tensors="np")
    (logits,) = running.run(["logits"], {node.name: batch[node.name] for node in running.get_inputs()})
    assert logits.shape == (1, AutoConfig.from_pretrained(folder).num_labels)


def test_products_have_one_name_in_every_architecture(graph):
    names = list(graphs.products(graph))
    assert {f"{role}.{layer}" for role in ROLES for layer in (1, 2)} == {name for name in names if not name.startswith("outside")}
    assert names[-2:] == ["outside.1", "outside.2"]  # a pooler or a dense layer, and the classes


def test_products_of_two_activations_stay_in_float(make):
    _, facts = make()
    assert facts["float_matmuls"] == 4  # two in each of two layers


def test_excluded_products_stay_in_float(make):
    _, facts = make(exclude=["contraction", "query.2"])
    assert facts["kept_in_float"] == ["contraction.1", "query.2", "contraction.2"]
    assert facts["float_matmuls"] == 4 + 3


@pytest.mark.parametrize("name", ["contraction.3", "outside.9"])
def test_a_product_that_the_graph_lacks_is_answered_with_the_nearest(make, name):
    with pytest.raises(UserError, match=f"no product '{name}'; did you mean"):
        make(exclude=[name])


def test_excluding_every_product_is_refused(make):
    with pytest.raises(UserError, match="every product would stay in float"):
        make(exclude=[*ROLES, "outside"])


def test_an_equalized_graph_answers_what_it_answered_before(graph, dataset):
    before = answers(graph, dataset)
    equalize(graph, ranges(graph, Workload(dataset, "train"), 8))
    assert sum(node.name.endswith("_equalize") for node in graph.graph.node) == 4 * 2 + 2
    np.testing.assert_allclose(answers(graph, dataset), before, atol=1e-5)


def test_ranges_are_the_largest_sizes_that_the_input_of_a_product_takes(graph, dataset):
    workload = Workload(dataset, "train")
    found = ranges(graph, workload, len(workload))
    name = graphs.products(graph)["contraction.1"].input[0]
    shown = copy.deepcopy(graph)
    shown.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    sizes = [np.abs(graphs.run(graphs.session(shown), workload.single(index))[-1]).max(axis=(0, 1)) for index in range(len(workload))]
    np.testing.assert_allclose(found[name], np.max(sizes, axis=0), rtol=1e-6)


def test_only_outliers_are_scaled_and_each_only_as_far_as_the_other_side_has_room():
    activations, weights = np.ones(200), np.ones(200)
    activations[0] = 8  # an outlier of the activations
    weights[1], activations[1] = 16, 0.25  # one of the weights, whose activation has room for a factor of 4
    weights[2], activations[2] = 16, 1  # one whose activation has none
    found = scales(activations, weights)
    assert found[:3].tolist() == pytest.approx([8, 0.25, 1])
    assert set(found[3:]) == {1}


def with_outlier(graph, factor: float):
    """Return the graph with one channel of the values so many times as large; the product that reads it undoes that."""
    constants, products = graphs.arrays(graph), graphs.products(graph)
    value, output = (constants[products[name].input[1]] for name in ("value.1", "attention_output.1"))
    (bias,) = (
        constants[name]
        for node in graph.graph.node
        if node.op_type == "Add" and products["value.1"].output[0] in node.input
        for name in node.input
        if name in constants
    )
    for tensor, place, by in ((value, np.s_[:, 3], factor), (bias, 3, factor), (output, 3, 1 / factor)):
        values = numpy_helper.to_array(tensor).copy()
        values[place] *= by
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return graph


@pytest.mark.parametrize("factor", [100, 0.01], ids=["of activations", "of weights"])
def test_equalization_takes_back_what_an_outlier_costs(lively, dataset, make, save, factor):
    parent = save(with_outlier(lively, factor))
    expected = answers(lively, dataset)
    lost = {}
    for equalized in (False, True):
        folder, _ = make(parent=parent, equalize=equalized, embeddings="float32")
        lost[equalized] = np.abs(answers(folder / "model.onnx", dataset) - expected).mean()
    assert lost[True] < 0.5 * lost[False]


def test_calibration_and_choice_do_not_touch_the_test_split(make, dataset, tmp_path):
    without = shutil.copytree(dataset, tmp_path / "without")
    (without / "test.parquet").unlink()
    make(dataset=without, exclude="auto", drop={"points": 100, "agreement": 0})


def test_embeddings_have_a_scale_per_row_and_are_off_by_half_a_step_at_most(graph, dataset):
    before = {name: numpy_helper.to_array(tensor) for name, tensor in graphs.arrays(graph).items()}
    expected = answers(graph, dataset)
    count = quantize_embeddings(graph)
    after = {name: numpy_helper.to_array(tensor) for name, tensor in graphs.arrays(graph).items()}
    tables = [name.removesuffix("_quantized") for name in after if name.endswith("_quantized")]
    assert len(tables) == count >= 2
    for name in tables:
        scale = after[f"{name}_scale"]
        assert scale.shape == (len(before[name]), 1)
        assert (np.abs(after[f"{name}_quantized"] * scale - before[name]) <= 0.5001 * scale).all()
    np.testing.assert_allclose(answers(graph, dataset), expected, atol=0.02)


def test_embeddings_stay_in_float_when_asked(make):
    folder, _ = make(embeddings="float32")
    tables = [tensor for tensor in onnx.load(folder / "model.onnx").graph.initializer if "word_embeddings" in tensor.name]
    assert [tensor.data_type for tensor in tables] == [TensorProto.FLOAT]


@pytest.mark.parametrize("product", ["query.1", "contraction.2", "outside.2"])
def test_the_simulation_computes_what_the_integer_kernel_computes(lively, dataset, make, save, product):
    others = [name for name in graphs.products(lively) if name != product]
    folder, _ = make(parent=save(lively), exclude=others, equalize=False, embeddings="float32")
    expected = answers(folder / "model.onnx", dataset)
    lost = np.abs(expected - answers(lively, dataset)).mean()
    assert lost > 0
    assert np.abs(answers(sensitivity.simulate(lively, product), dataset) - expected).mean() < 0.05 * lost


def test_the_fewest_products_that_fit_stay_in_float():
    ranked = [f"query.{layer}" for layer in range(1, 7)]
    assert sensitivity.fewest(ranked, lambda kept: True) == []
    assert sensitivity.fewest(ranked, lambda kept: len(kept) >= 2) == ["query.1", "query.2"]
    assert sensitivity.fewest(ranked, lambda kept: False) == ranked


def test_a_product_with_an_outlier_is_the_most_sensitive_and_the_first_to_stay_in_float(lively, dataset, make, save):
    folder, facts = make(
        parent=save(with_outlier(lively, 1e4)), exclude="auto", drop={"points": 100, "agreement": 0}, equalize=False, embeddings="float32"
    )
    table = pd.read_csv(folder / "sensitivity.csv")
    assert table["product"][0] == "attention_output.1"
    assert table["loss"].is_monotonic_decreasing
    assert facts["kept_in_float"] == table.loc[table["kept_in_float"], "product"].tolist() == []
    assert (folder / "sensitivity.png").exists()
    validation = sensitivity.Validation(lively, dataset, "accuracy")
    assert facts["on_validation"] == validation.compare(folder / "model.onnx")


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_of_few_bits_are_read_back_within_half_a_step_and_counted_once(exported, graph, make, bits):
    folder, facts = make(method="weights", bits=bits, block=16)
    assert facts["integer_matmuls"] == 12
    assert facts["kept_in_float"] == ["outside.1", "outside.2"]
    described = contents.describe(folder)
    assert described["parameters"] == pytest.approx(contents.describe(exported[0] / "onnx")["parameters"], rel=0.02)
    assert described["dtypes"][f"int{bits}"] > 300_000
    weight = graphs.products(graph)["contraction.1"].input[1]
    matrix = numpy_helper.to_array(graphs.arrays(graph)[weight])
    stored = {name: values for name, _, values in contents._stored(folder)}
    (name,) = (name for name in stored if name.startswith(weight) and name.endswith("_quantized"))
    (scale,) = (values for name, values in stored.items() if name.startswith(weight) and name.endswith("_scales"))
    steps = np.repeat(np.abs(scale.reshape(matrix.shape[1], -1)), 16, axis=1)
    restored = stored[name].astype(np.float32) * np.repeat(scale.reshape(matrix.shape[1], -1), 16, axis=1)
    assert (np.abs(restored - matrix.T) <= 1.01 * steps).all()
    assert np.abs(restored - matrix.T).mean() < 0.3 * steps.mean()


@pytest.mark.parametrize(("isa", "largest"), [("avx512_vnni", 127), ("avx2", 64), ("avx512", 64), ("arm64", 127)])
def test_weights_have_seven_bits_where_sums_of_eight_would_saturate(make, isa, largest):
    folder, facts = make(isa=isa)
    assert facts["isa"] == isa
    tensors = onnx.load(folder / "model.onnx").graph.initializer
    matrices = [numpy_helper.to_array(tensor) for tensor in tensors if "MatMul" in tensor.name and tensor.name.endswith("_quantized")]
    assert {matrix.dtype.name for matrix in matrices} == {"int8"}
    assert max(np.abs(matrix.astype(int)).max() for matrix in matrices) == largest


@pytest.mark.parametrize(
    ("machine", "flags", "isa"),
    [
        ("x86_64", ["avx2", "avx512f", "avx512_vnni"], "avx512_vnni"),
        ("x86_64", ["avx2", "avx_vnni"], "avx512_vnni"),
        ("x86_64", ["avx2", "avx512f"], "avx512"),
        ("x86_64", ["avx2"], "avx2"),
        ("aarch64", [], "arm64"),
    ],
)
def test_the_instruction_set_is_that_of_the_machine_and_another_is_said_not_to_fit(monkeypatch, caplog, machine, flags, isa):
    monkeypatch.setattr(kernels.environment, "hardware", lambda: {"isa": flags, "system": f"Linux-6.1-{machine}-with-glibc2.36"})
    assert kernels.choose("auto") == kernels.choose(isa) == isa
    assert not caplog.records
    other = "avx512_vnni" if isa in kernels.SEVEN_BITS else "avx2"
    assert kernels.choose(other) == other
    assert caplog.messages[0].endswith("take 'isa: auto'")
