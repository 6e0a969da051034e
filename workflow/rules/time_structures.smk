"""
Time a model on a device with different numbers of heads and neurons, so that a shrink step can choose by time.

IN   results/{experiment}/{variant}/seed{seed}/model/, and the artifact of it that the device's runtime reads,
     results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/structure_times/{device}/times.json

It has the machine to itself, as every measurement. Only a step with a target of speed asks for it.
"""


rule time_structures:
    """Time a model on a device with fewer attention heads and FFN neurons."""
    input:
        model="results/{experiment}/{variant}/seed{seed}/model",
        artifact=measured_artifact,
        dataset="results/{experiment}/dataset",
    output:
        "results/{experiment}/{variant}/seed{seed}/structure_times/{device}/times.json",
    log:
        "logs/{experiment}/{variant}/seed{seed}/time_structures_{device}.log",
    wildcard_constraints:
        variant="|".join(steps_pattern(studies, technique) for technique in ("finetune", "distill")),
    # trainings wait for it
    priority: 20
    threads: all_of_cores
    params:
        options=structure_times_options,
    script:
        "../scripts/time_structures.py"
