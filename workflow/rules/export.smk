"""
Write weights as an ONNX graph whose logits equal PyTorch's, and that in OpenVINO's form.

IN   results/{experiment}/{variant}/seed{seed}/model/
OUT  results/{experiment}/{variant}/seed{seed}/onnx/
     results/{experiment}/{variant}/seed{seed}/openvino/  where a device has that runtime
"""


rule export:
    """Export a model as an ONNX graph whose logits equal PyTorch's."""
    input:
        model="results/{experiment}/{variant}/seed{seed}/model",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/export.log",
    wildcard_constraints:
        variant=targets.weights_pattern(studies),
    priority: 5
    params:
        options=inputs.section("export"),
    script:
        "../scripts/export.py"


rule export_openvino:
    """Convert an ONNX graph to OpenVINO."""
    input:
        model="results/{experiment}/{variant}/seed{seed}/model",
        graph="results/{experiment}/{variant}/seed{seed}/onnx",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/openvino"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/export_openvino.log",
    wildcard_constraints:
        variant=targets.weights_pattern(studies),
    priority: 5
    params:
        options=inputs.section("export"),
    script:
        "../scripts/export_openvino.py"
