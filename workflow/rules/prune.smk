"""
Set the smallest weights of the encoder to zero and train on with them.

IN   the parent's model/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule prune:
    input:
        parent=parent_model,
        dataset="results/{experiment}/dataset",
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/prune.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "prune"),
    priority: 10
    threads: quarter_of_cores
    params:
        options=step_options,
        metric=section("metric"),
    script:
        "../scripts/prune.py"
