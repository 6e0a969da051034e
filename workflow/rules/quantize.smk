"""
Store the weights of a graph or a model in 8 or 4 bits. The step's method says for which runtime.

IN   the parent's onnx/, openvino/ or model/, its data set (of which train calibrates and validation chooses or checks)
OUT  results/{experiment}/{variant}/seed{seed}/onnx/, openvino/ or model/
"""


rule quantize:
    """Apply post-training quantization to an ONNX graph: 8 or 4 bits."""
    input:
        parent=inputs.of_step("parent_graph"),
        dataset=inputs.of_step("dataset"),
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "quantize", form="onnx"),
    priority: 5
    params:
        options=inputs.of_step("options_with_metric"),
    script:
        "../scripts/quantize.py"


rule quantize_openvino:
    """Apply post-training quantization to an OpenVINO model: INT8."""
    input:
        parent=inputs.of_step("parent_openvino"),
        dataset=inputs.of_step("dataset"),
    output:
        directory("results/{experiment}/{variant}/seed{seed}/openvino"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize_openvino.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "quantize", form="openvino"),
    priority: 5
    params:
        options=inputs.of_step("options"),
    script:
        "../scripts/quantize_openvino.py"


rule quantize_pytorch:
    """Apply post-training quantization to a model for PyTorch: INT8, NF4 or FP4."""
    input:
        parent=inputs.of_step("parent"),
        dataset=inputs.of_step("dataset"),
    output:
        directory("results/{experiment}/{variant}/seed{seed}/model"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize_pytorch.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "quantize", form="model"),
    priority: 5
    params:
        options=inputs.of_step("options"),
    script:
        "../scripts/quantize_pytorch.py"
