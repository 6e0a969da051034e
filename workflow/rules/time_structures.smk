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
        artifact=inputs.of_row("artifact"),
        dataset="results/{experiment}/dataset",
    output:
        "results/{experiment}/{variant}/seed{seed}/structure_times/{device}/times.json",
    log:
        "logs/{experiment}/{variant}/seed{seed}/time_structures_{device}.log",
    wildcard_constraints:
        variant=targets.structures_pattern(studies),
    # trainings wait for it
    priority: 20
    threads: share_of_cores(1)
    params:
        options=inputs.of_row("structure_times_options"),
    script:
        "../scripts/time_structures.py"
