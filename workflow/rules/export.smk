"""
Write weights as an ONNX graph whose logits equal PyTorch's.

IN   results/{experiment}/{variant}/seed{seed}/model/
OUT  results/{experiment}/{variant}/seed{seed}/onnx/
"""


rule export:
    input:
        model="results/{experiment}/{variant}/seed{seed}/model",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/onnx"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/export.log",
    wildcard_constraints:
        variant=weights_pattern(studies),
    priority: 5
    params:
        options=section("export"),
    script:
        "../scripts/export.py"
