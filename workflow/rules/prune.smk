"""
Set the least important weights of the encoder to zero, at once or little by little, and train the others.

IN   the parent's and the teacher's model/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule prune:
    """Prune weights one by one, unstructured, gradually or one-shot, and fine-tune."""
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
