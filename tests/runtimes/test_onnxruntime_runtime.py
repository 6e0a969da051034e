"""A graph that a provider cannot run whole is refused with the operators that would run elsewhere."""

import onnxruntime
import pytest

from encoder_compression.errors import UserError
from encoder_compression.runtimes import onnxruntime_runtime
from encoder_compression.runtimes.onnxruntime_runtime import Runtime, operators_elsewhere

DEVICE = {"runtime": "onnxruntime", "hardware": "cuda", "threads": 1, "precision": "float32"}
WITHOUT_KERNELS = "AzureExecutionProvider"  # comes with the build for the CPU, and runs no operator of an encoder


def test_nodes_without_a_kernel_are_counted_by_operator(exported):
    graph = exported[0] / "onnx" / "model.onnx"
    elsewhere = operators_elsewhere(graph, WITHOUT_KERNELS)
    assert elsewhere["MatMul"] + elsewhere["Gemm"] + elsewhere["FusedMatMul"] >= 12
    assert not operators_elsewhere(graph, "CPUExecutionProvider")


@pytest.mark.skipif(WITHOUT_KERNELS not in onnxruntime.get_available_providers(), reason="a build with another provider than the CPU's")
def test_a_graph_that_would_fall_back_to_the_cpu_is_refused_with_its_operators(exported, monkeypatch):
    monkeypatch.setitem(onnxruntime_runtime.PROVIDERS, "cuda", WITHOUT_KERNELS)
    with pytest.raises(
        UserError, match=r"\d+ nodes have no kernel of AzureExecutionProvider \(.*\d+ \w+.*\) and would fall back to the CPU"
    ):
        Runtime(exported[0] / "onnx", device=DEVICE)
