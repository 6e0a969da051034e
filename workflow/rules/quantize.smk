"""
Store the weights of a graph in 8 or 4 bits.

IN   the parent's onnx/, results/{experiment}/dataset/ (of which train calibrates and validation chooses)
OUT  results/{experiment}/{variant}/seed{seed}/onnx/
"""


rule quantize:
    input:
        parent=parent_graph,
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/quantize.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "quantize"),
    priority: 5
    params:
        options=quantize_options,
    script:
        "../scripts/quantize.py"
