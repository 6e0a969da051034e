"""
Take the least important heads and neurons out of the encoder and train what is left.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/, and where the step has a target of speed
     results/{experiment}/{parent}/seed{first seed}/structure_times/{device}/times.json
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule shrink:
    """Remove attention heads and FFN neurons by structured pruning, then fine-tune."""
    input:
        parent=parent_model,
        teacher=teacher_of("model"),
        soft_targets=soft_targets,
        times=structure_times,
        dataset="results/{experiment}/dataset",
        best=best_options,
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/shrink.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "shrink"),
    priority: 15
    threads: quarter_of_cores
    params:
        options=step_options,
        metric=section("metric"),
    script:
        "../scripts/shrink.py"
