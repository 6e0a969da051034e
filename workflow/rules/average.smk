"""
Average the weights of models that began alike, such as trainings with other options, into one of the same cost.

IN   the parent's model/, those of the variants that the step names, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule average:
    """Average the weights of models that began alike: a model soup."""
    input:
        parent=inputs.of_step("parent"),
        others=inputs.of_step("others"),
        dataset="results/{experiment}/dataset",
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/average.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "average"),
    priority: 10
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/average.py"
