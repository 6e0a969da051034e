"""
Take the least important heads and neurons out of the encoder and train what is left.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/, and where the step has a target of speed
     results/{experiment}/{parent}/seed{first seed}/structure_times/{device}/times.json
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule shrink:
    """Remove attention heads and FFN neurons by structured pruning, then fine-tune."""
    input:
        parent=inputs.of_step("parent"),
        teacher=inputs.of_step("teacher"),
        soft_targets=inputs.of_step("soft_targets"),
        times=inputs.of_step("times"),
        dataset="results/{experiment}/dataset",
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/shrink.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "shrink"),
    priority: 15
    threads: share_of_cores(1 / 4)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/shrink.py"
