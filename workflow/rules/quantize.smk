"""
Store the weights of a graph as 8-bit integers. The step's method says for which runtime.

IN   the parent's onnx/, or its openvino/ and results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/onnx/ or openvino/
"""


rule quantize:
    input:
        parent=parent_in("onnx"),
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize.log",
    wildcard_constraints:
        variant=quantized_pattern(studies, "onnx"),
    priority: 5
    params:
        options=step_options,
    script:
        "../scripts/quantize.py"


rule quantize_openvino:
    input:
        parent=parent_in("openvino"),
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/openvino"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize_openvino.log",
    wildcard_constraints:
        variant=quantized_pattern(studies, "openvino"),
    priority: 5
    params:
        options=step_options,
    script:
        "../scripts/quantize_openvino.py"
