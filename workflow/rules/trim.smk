"""
Keep the part of the vocabulary that the task needs, and cut the data set into it anew.

IN   the parent's model/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, dataset/, training.csv
"""


rule trim:
    """Prune the vocabulary to the tokens that the task needs."""
    input:
        parent=inputs.of_step("parent"),
        dataset="results/{experiment}/dataset",
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        dataset=directory("results/{experiment}/{variant}/seed{seed}/dataset"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/trim.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "trim"),
    priority: 10
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/trim.py"
