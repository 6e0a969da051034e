"""What runtimes write about a call is read right: traces of a few events, with every figure chosen here."""

import pytest

from encoder_compression.runtimes import onnxruntime_profile, openvino_profile, pytorch_profile


def node(name: str, index: int, microseconds: int, **facts) -> dict:
    args = {"op_name": name, "node_index": str(index), "output_size": "16", "input_type_shape": [{"float": [1, 4]}, {"int8": [4]}]}
    return {"cat": "Node", "ph": "X", "name": f"/m/{name}_kernel_time", "dur": microseconds, "ts": 0, "args": args | facts}


def run_of(*nodes: dict) -> list[dict]:
    return [*nodes, {"cat": "Session", "ph": "X", "name": "model_run", "dur": 99, "ts": 0, "args": {}}]


def test_nodes_of_onnx_runtime_have_their_median_over_calls_less_what_the_fastest_takes():
    start = [{"cat": "Session", "ph": "X", "name": "session_initialization", "dur": 5, "ts": 0, "args": {}}]
    figures = ((40, 8, 3), (4000, 9, 2), (50, 10, 2))
    calls = [run_of(node("MatMul", 3, first), node("Gelu", 1, second), node("Shape", 2, third)) for first, second, third in figures]
    runs = onnxruntime_profile._by_call(start + [event for call in calls for event in call])
    assert len(runs) == 3
    matmul, gelu, shape = onnxruntime_profile.operators(runs)
    assert (matmul["name"], matmul["node"], matmul["ms"]) == ("MatMul", "/m/MatMul", 0.048)
    assert (gelu["ms"], gelu["shapes"], gelu["formats"], gelu["bytes"]) == (0.007, [[1, 4], [4]], ["float", "int8"], 16)
    assert (shape["name"], shape["ms"]) == ("Shape", 0)
    assert [event["name"] for event in onnxruntime_profile.trace(runs[0])] == [
        "/m/MatMul_kernel_time",
        "/m/Gelu_kernel_time",
        "/m/Shape_kernel_time",
        "model_run",
    ]


def test_the_peak_of_onnx_runtime_is_that_of_its_first_call():
    held = [5_000_000, 7_500_000, 6_000_000]
    assert onnxruntime_profile._peak_mb(run_of(*(node("MatMul", 1, 1, mem_bytes_in_use=str(size)) for size in held))) == 2.5
    assert onnxruntime_profile._peak_mb(run_of(node("MatMul", 1, 1))) is None


def test_counters_of_openvino_are_relieved_of_the_calls_before():
    assert openvino_profile._mean_since(0.5, 2, 0.2, 8) == pytest.approx((0.2 * 10 - 0.5 * 2) / 8)
    assert openvino_profile._mean_since(0.5, 2, 0.05, 8) == 0


def event(name: str, ts: float, dur: float, category: str = "cpu_op", **args) -> dict:
    return {"ph": "X", "cat": category, "name": name, "ts": ts, "dur": dur, "args": args}


def call_from(start: float, *, linear_us: float = 50) -> list[dict]:
    """Return the events of a call: a linear layer in its module, with a product that allocates 64 bytes and frees 16, and an addition."""
    memory = [
        {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "ts": start + 15 + i, "args": {"Bytes": size}}
        for i, size in ((0, 64), (1, -16))
    ]
    return [
        event(pytorch_profile.CALL, start, 100, "user_annotation"),
        event("module m.dense", start + 5, 60, "user_annotation"),
        event(
            "aten::linear",
            start + 10,
            linear_us,
            **{"External id": 1, "Input Dims": [[1, 4], [4, 4], []], "Input type": ["float", "float", "Scalar"]},
        ),
        event("aten::addmm", start + 12, linear_us - 5, **{"External id": 2}),
        *memory,
        event("aten::add", start + 80, 6, **{"External id": 3, "Input Dims": [[1, 4]], "Input type": ["c10::BFloat16"]}),
    ]


def test_operators_of_pytorch_are_those_that_the_models_code_calls():
    calls = pytorch_profile._by_call([*call_from(0, linear_us=40), *call_from(200, linear_us=44), *call_from(400)])
    linear, add = pytorch_profile.operators(calls, calls[-1], on_card=False)
    assert (linear["name"], linear["place"], linear["ms"], linear["events"], linear["bytes"]) == ("aten::linear", "m.dense", 0.044, 1, 64)
    assert (linear["shapes"], linear["formats"]) == ([[1, 4], [4, 4]], ["float", "float"])
    assert (add["place"], add["ms"], add["formats"]) == ("", 0.006, ["c10::BFloat16"])
    assert pytorch_profile._peak_mb(calls[0]) == 64 / 1e6


def test_compiled_code_is_looked_into():
    around = [event(pytorch_profile.CALL, 0, 100, "user_annotation"), event("Torch-Compiled Region: 0/0", 1, 98)]
    (call,) = pytorch_profile._by_call([*around, event("aten::mm", 10, 20)])
    assert [each["name"] for each in pytorch_profile.operators([call], call, on_card=False)] == ["aten::mm"]


def test_on_a_card_an_operator_takes_what_its_kernels_take():
    """The kernel runs after the call of the operator that started it, which is found by its number."""
    launch = event("cudaLaunchKernel", 13, 2, "cuda_runtime")
    kernel, copy = event("gemm", 70, 30, "kernel", **{"External id": 2}), event("Memcpy DtoH", 150, 4, "gpu_memcpy", **{"External id": 3})
    calls = pytorch_profile._by_call([*call_from(0), launch, kernel, copy])
    linear, add = pytorch_profile.operators(calls, calls[0], on_card=True)
    assert (linear["ms"], add["ms"]) == (0.03, 0.004)
    assert pytorch_profile._on_card(calls) == {"on_card": {"kernels": 1, "copies": 1, "launches": 1}}
    assert pytorch_profile._on_card(pytorch_profile._by_call(call_from(0))) == {}
