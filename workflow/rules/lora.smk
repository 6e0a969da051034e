"""
Train low-rank updates of the parent's weights, or as a first step of the pretrained encoder's, and its head.

IN   the parent's model/ or results/{experiment}/base/, results/{experiment}/dataset/, the model/ of a teacher if there is one
OUT  results/{experiment}/{variant}/seed{seed}/model/    a plain model with the updates merged, training.csv
     results/{experiment}/{variant}/seed{seed}/adapter/  the updates and the head alone, as peft reads them
"""


rule lora:
    """Train LoRA adapters and the head, and merge them into the weights."""
    input:
        parent=inputs.of_step("parent"),
        encoder="results/{experiment}/base",
        teacher=inputs.of_step("teacher"),
        soft_targets=inputs.of_step("soft_targets"),
        dataset="results/{experiment}/dataset",
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        adapter=directory("results/{experiment}/{variant}/seed{seed}/adapter"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/lora.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "lora"),
    priority: 15
    threads: share_of_cores(1 / 4)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/lora.py"
