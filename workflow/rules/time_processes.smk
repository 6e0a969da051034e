"""
Time the first training of the baseline in one process and in several, where an experiment names 'processes'.

IN   results/{experiment}/base/, results/{experiment}/dataset/
OUT  results/{experiment}/processes/times.csv

It has the machine to itself, as every measurement, trains for a few steps and leaves no model.
"""


rule time_processes:
    """Time a training in one process and in several: tokens per second, efficiency, memory."""
    input:
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
    output:
        "results/{experiment}/processes/times.csv",
    log:
        "logs/{experiment}/time_processes.log",
    wildcard_constraints:
        experiment=targets.processes_pattern(studies),
    threads: share_of_cores(1)
    params:
        options=inputs.of_experiment("processes_options"),
    script:
        "../scripts/time_processes.py"
