"""
Train on with the rounding of the quantization that follows, so that the model loses less by it.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule qat:
    """Fine-tune with fake quantization: quantization-aware training."""
    input:
        parent=inputs.of_step("parent"),
        teacher=inputs.of_step("teacher"),
        soft_targets=inputs.of_step("soft_targets"),
        dataset="results/{experiment}/dataset",
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/qat.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "qat"),
    priority: 10
    threads: share_of_cores(1 / 4)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/qat.py"
