"""
Train on with the rounding of the quantization that follows, so that the model loses less by it.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule qat:
    """Fine-tune with fake quantization: quantization-aware training."""
    input:
        parent=parent_model,
        teacher=teacher_of("model"),
        soft_targets=soft_targets,
        dataset="results/{experiment}/dataset",
        best=best_options,
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/qat.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "qat"),
    priority: 10
    threads: quarter_of_cores
    params:
        options=step_options,
        metric=section("metric"),
    script:
        "../scripts/qat.py"
