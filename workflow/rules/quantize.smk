"""
Store the weights of a graph in 8 or 4 bits. The step's method says for which runtime.

IN   the parent's onnx/ or openvino/, its data set (of which train calibrates and validation chooses)
OUT  results/{experiment}/{variant}/seed{seed}/onnx/ or openvino/
"""


rule quantize:
    """Apply post-training quantization to an ONNX graph: 8 or 4 bits."""
    input:
        parent=parent_in("onnx"),
        dataset=dataset_of_variant,
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize.log",
    wildcard_constraints:
        variant=quantized_pattern(studies, "onnx"),
    priority: 5
    params:
        options=quantize_options,
    script:
        "../scripts/quantize.py"


rule quantize_openvino:
    """Apply post-training quantization to an OpenVINO model: INT8."""
    input:
        parent=parent_in("openvino"),
        dataset=dataset_of_variant,
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
