"""A profile says where the milliseconds of a call go: real ones by what is exact in them, the arithmetic by made-up rounds."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement.operators import KINDS
from encoder_compression.measurement.profiles import INPUTS, _choose, combine, profile
from encoder_compression.runtimes.workload import Workload
from encoder_compression.techniques.quantize import quantize
from measuring_options import PYTORCH

OPTIONS = {"calls": 12, "launches": 2, "rounds": 2, "warmup_calls": 1}
LAYERS = 2
PROFILED = {  # form of the artifact -> runtime and precision
    "model": {"runtime": "pytorch"},
    "model in int8": {"runtime": "pytorch", "precision": "int8"},
    "onnx": {"runtime": "onnxruntime"},
    "int8": {"runtime": "onnxruntime"},
    "openvino": {"runtime": "openvino"},
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory, encoder, dataset, tiny) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():  # a fresh model has equal biases, which an exporter merges
        torch.nn.init.normal_(parameter, std=0.02)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=tiny.options["export"], output=folder / "openvino")
    quantize(parent=folder / "onnx", dataset=dataset, options=tiny.options["quantize"]["int8"], output=folder / "int8", name="test")
    return folder


@pytest.fixture(scope="module", params=PROFILED)
def profiled(request, tmp_path_factory, artifacts, dataset) -> tuple[str, Path]:
    """The form of an artifact, and its profile."""
    folder, form = tmp_path_factory.mktemp("profile") / "profile", request.param
    device = PYTORCH | PROFILED[form]
    profile(artifact=artifacts / form.split()[0], device=device, dataset=dataset, options=OPTIONS, output=folder, name="test")
    return form, folder


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "profile.json").read_text(encoding="utf-8"))


def test_every_matmul_of_the_model_is_in_its_profile_at_its_module(profiled, artifacts):
    linears = [name for name, module in pretrained.load_model(artifacts / "model").named_modules() if isinstance(module, torch.nn.Linear)]
    fused = {"classifier"} if profiled[0] == "openvino" else set()  # into one operator with the pooler
    table = pd.read_csv(profiled[1] / "operators.csv")
    for title in INPUTS:
        matmuls = table[(table["input"] == title) & (table["kind"] == "matmul")]
        assert sorted(matmuls["place"]) == sorted(set(linears) - fused)
        assert set(matmuls["calls"]) == {1}
    assert len(linears) == LAYERS * 6 + 2  # a pooler and the classifier


def test_each_layer_has_its_attention_and_its_norms(profiled):
    table = pd.read_csv(profiled[1] / "kinds.csv").set_index(["input", "kind"])
    of_layer = {"model": 1, "openvino": 1}.get(profiled[0].split()[0], 3)  # one operator, or two products and a softmax
    for title in INPUTS:
        assert table.loc[(title, "attention"), "calls"] == LAYERS * of_layer
        norms = table.loc[(title, "normalization"), "calls"]
        assert norms == (LAYERS * 2 + 1) * (2 if profiled[0] == "openvino" else 1)  # which scales what it normalized apart


def test_the_kinds_add_up_to_the_call_without_the_profiler(profiled):
    kinds, facts = pd.read_csv(profiled[1] / "kinds.csv"), facts_of(profiled[1])
    operators = pd.read_csv(profiled[1] / "operators.csv")
    for title, described in facts["inputs"].items():
        assert kinds[kinds["input"] == title]["kind"].tolist() == list(KINDS)
        for table in (kinds, operators):
            of_input = table[table["input"] == title]
            assert of_input["milliseconds"].sum() == pytest.approx(described["latency_ms"], rel=1e-4)
            assert of_input["share"].sum() == pytest.approx(1, rel=1e-4)


def test_no_operator_of_a_known_encoder_has_no_kind(profiled):
    assert facts_of(profiled[1])["unknown_operators"] == []


def test_eight_bits_are_seen_in_matmuls_and_where_numbers_are_quantized(profiled):
    form, folder = profiled
    table = pd.read_csv(folder / "operators.csv")
    formats = set(" ".join(table[table["kind"] == "matmul"]["number format"]).split())
    assert ("int8" in formats) == (form in ("int8", "model in int8"))
    quantizing = table[(table["kind"] == "quantize/dequantize") & (table["input"] == "short")]["name"].tolist()
    assert ("DynamicQuantizeLinear" in quantizing) == (form == "int8")


def test_a_trace_has_the_events_of_each_input_under_its_name(profiled):
    events = json.loads((profiled[1] / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert [name.split()[0] for name in names.values()] == list(INPUTS)
    complete = [event for event in events if event["ph"] == "X"]
    assert {event["pid"] for event in complete} == set(names)
    assert all(event["dur"] >= 0 and event["ts"] >= 0 and event["name"] for event in complete)
    assert len(complete) > 3 * 14


def test_what_a_profile_ran_on_stands_in_it(profiled):
    facts = facts_of(profiled[1])
    assert (facts["threads"], len(facts["cores"])) == (1, 1)
    assert facts["machine"]["processor"]
    assert facts["packages"]["numpy"]
    for described in facts["inputs"].values():
        assert 0 < described["processor_use"] < 1.2
        assert described["calls"] == 6
        assert described["peak_mb"] > 0
    allocated = [described["allocated_peak_mb"] for described in facts["inputs"].values()]
    assert all(megabytes is None if profiled[0] == "openvino" else 0 < megabytes < 1 for megabytes in allocated)


def test_inputs_are_a_short_a_median_and_a_long_one_of_test(dataset, profiled):
    workload = Workload(dataset, "test")
    lengths = sorted(workload.lengths.tolist())
    tokens = [int(workload.lengths[example]) for example in _choose(workload).values()]
    assert tokens == [lengths[round(share * (len(lengths) - 1))] for share in (0.05, 0.5, 0.95)]
    assert [described["tokens"] for described in facts_of(profiled[1])["inputs"].values()] == tokens


def operator(name: str, ms: float, **more) -> dict:
    return {"name": name, "node": "", "ms": ms, "shapes": [[2, 3]], "formats": ["float"], "bytes": 24} | more


def round_of(*operators: dict, latency_ms: float = 10.0, profiled_ms: float = 14.0) -> dict:
    timed = {"latencies_ms": [latency_ms] * 3, "profiled_ms": [profiled_ms] * 3, "processor_seconds": 3 * latency_ms / 1000}
    return timed | {"operators": list(operators), "shape": [1, 7], "allocated_peak_mb": 0.5, "trace": []}


def milliseconds(combined: dict) -> list[float]:
    return [each["ms"] for each in combined["operators"]]


def test_operators_are_relieved_of_what_recording_within_them_took():
    """Of 4 ms more, five events took 0.8 ms each: the three within the second operator 2.4 ms of its time."""
    combined = combine([round_of(operator("a", 4.0), operator("b", 3.0, events=3))], threads=1)
    assert milliseconds(combined) == pytest.approx([4.0, 0.6, 5.4])
    assert combined["operators"][-1]["kind"] == "runtime overhead"
    assert combined["facts"]["profiler_slowdown"] == pytest.approx(1.4)
    assert combined["facts"]["operators_ms"] == pytest.approx(4.6)


def test_operators_that_take_longer_than_the_call_are_scaled_down_to_it():
    combined = combine([round_of(operator("a", 8.0), operator("b", 4.0), latency_ms=6)], threads=1)
    assert milliseconds(combined) == pytest.approx([4.0, 2.0, 0.0])


def test_a_call_whose_operators_are_too_short_to_be_seen_is_all_overhead():
    combined = combine([round_of(operator("a", 0.0), operator("b", 0.0), latency_ms=0.02)], threads=1)
    assert [each["ms"] for each in combined["operators"]] == pytest.approx([0, 0, 0.02])


def test_an_interrupted_round_changes_nothing():
    calm = round_of(operator("a", 4.0))
    interrupted = round_of(operator("a", 90.0), latency_ms=100, profiled_ms=120)
    assert milliseconds(combine([calm, interrupted, calm], threads=1)) == pytest.approx([4.0, 6.0])


def test_the_use_of_processors_is_a_share_of_all_threads():
    facts = combine([round_of(operator("a", 4.0))], threads=4)["facts"]
    assert (facts["processor_ms"], facts["processor_use"]) == (pytest.approx(10), pytest.approx(0.25))
