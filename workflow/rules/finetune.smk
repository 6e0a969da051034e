"""
Fine-tune the pretrained encoder on the task.

IN   results/{experiment}/base/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/model/, training.csv

A killed job goes on from results/{experiment}/{variant}/seed{seed}/checkpoints/.
"""


rule finetune:
    """Fine-tune the pretrained encoder on the task: the teacher."""
    input:
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
        best=best_options,
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/finetune.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "finetune"),
    # all else waits for it
    priority: 25
    threads: all_of_cores
    params:
        options=step_options,
        metric=section("metric"),
    script:
        "../scripts/finetune.py"
