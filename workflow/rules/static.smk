"""
Distil a student without layers, the mean of token embeddings and a linear head: what is left without attention.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/, results/{experiment}/unlabelled/ where the step asks for it
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule static:
    """Train a student of static token embeddings by knowledge distillation."""
    input:
        parent=inputs.of_step("parent"),
        teacher=inputs.of_step("teacher"),
        soft_targets=inputs.of_step("soft_targets"),
        unlabelled=inputs.of_step("unlabelled"),
        unlabelled_targets=inputs.of_step("unlabelled_targets"),
        dataset="results/{experiment}/dataset",
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/static.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "static"),
    priority: 10
    threads: share_of_cores(1 / 4)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/static.py"
