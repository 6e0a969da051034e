"""
Store the weights of a graph as 8-bit integers.

IN   the parent's onnx/
OUT  results/{experiment}/{variant}/seed{seed}/onnx/
"""


rule quantize:
    input:
        parent=parent_graph,
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "quantize"),
    priority: 5
    params:
        options=step_options,
    script:
        "../scripts/quantize.py"
