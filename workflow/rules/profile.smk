"""
Profile a variant on a device: where the milliseconds and the memory of a call go.

IN   the artifact that the device's runtime reads (model/, onnx/ or openvino/), the data set
OUT  results/{experiment}/{variant}/seed{seed}/{device}/profile/ with operators.csv, kinds.csv, profile.json and trace.json

It has the machine to itself, as every measurement, and a process of its own, so that no measurement is profiled.
"""


rule profile:
    """Profile single calls of a variant on a device, by operator and by kind."""
    input:
        artifact=inputs.of_row("artifact"),
        dataset=inputs.of_step("dataset"),
    output:
        directory("results/{experiment}/{variant}/seed{seed}/{device}/profile"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/profile_{device}.log",
    threads: share_of_cores(1)
    params:
        options=inputs.of_row("profile_options"),
    script:
        "../scripts/profile_calls.py"
