"""
Measure a variant on a device: quality, latency, memory, size.

IN   the artifact that the device's runtime reads (model/, onnx/ or openvino/), that of the partner timed in turns with it,
     the data set of each; the measurement of a row that should have the same graph, shapes and number formats, if there is one
OUT  results/{experiment}/{variant}/seed{seed}/{device}/measurement.json, predictions.parquet

A measurement has the machine to itself: a neighbour would be in the figures.
"""


rule measure:
    """Measure quality, latency, throughput, memory and size on a device."""
    input:
        artifact=inputs.of_row("artifact"),
        partner=inputs.of_row("partner_artifact"),
        dataset=inputs.of_step("dataset"),
        partner_dataset=inputs.of_row("partner_dataset"),
        timed_as=inputs.of_row("timed_as"),
    output:
        measurement="results/{experiment}/{variant}/seed{seed}/{device}/measurement.json",
        predictions="results/{experiment}/{variant}/seed{seed}/{device}/predictions.parquet",
    log:
        "logs/{experiment}/{variant}/seed{seed}/measure_{device}.log",
    threads: share_of_cores(1)
    params:
        options=inputs.of_row("measure_options"),
    script:
        "../scripts/measure.py"
