"""
Train low-rank updates of the parent's weights, or as a first step of the pretrained encoder's, and its head.

IN   the parent's model/ or results/{experiment}/base/, results/{experiment}/dataset/, the model/ of a teacher if there is one
OUT  results/{experiment}/{variant}/seed{seed}/model/    a plain model with the updates merged, training.csv
     results/{experiment}/{variant}/seed{seed}/adapter/  the updates and the head alone, as peft reads them
"""


rule lora:
    """Train LoRA adapters and the head, and merge them into the weights."""
    input:
        parent=parent_model_if_any,
        encoder="results/{experiment}/base",
        teacher=teacher_if_any,
        soft_targets=soft_targets,
        dataset="results/{experiment}/dataset",
        best=best_options,
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        adapter=directory("results/{experiment}/{variant}/seed{seed}/adapter"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/lora.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "lora"),
    priority: 15
    threads: quarter_of_cores
    params:
        options=step_options,
        metric=section("metric"),
    script:
        "../scripts/lora.py"
