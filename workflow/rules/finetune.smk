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
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/finetune.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "finetune"),
    # all else waits for it
    priority: 25
    threads: share_of_cores(1)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/finetune.py"
