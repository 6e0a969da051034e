"""
Measure a variant on a device: quality, latency, memory, size.

IN   the artifact that the device's runtime reads (model/ or onnx/), that of the partner timed in turns with it,
     results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/{device}/measurement.json, predictions.parquet

A measurement has the machine to itself: a neighbour would be in the figures.
"""


def measured_artifact(wildcards):
    """Return the artifact that the device's runtime reads."""
    study = studies[wildcards.experiment]
    return study.folder(wildcards.variant, wildcards.seed, study.form(wildcards.device))


def partner_artifact(wildcards):
    """Return the artifact of the row's partner, or nothing for the baseline."""
    study = studies[wildcards.experiment]
    partner = study.partner(wildcards.variant, wildcards.device)
    return study.folder(partner[0], wildcards.seed, study.form(partner[1])) if partner else []


def measure_options(wildcards):
    """Return how to measure, on which device, and on which device the partner runs."""
    study = studies[wildcards.experiment]
    devices = study.options["devices"]
    partner = study.partner(wildcards.variant, wildcards.device)
    return {
        "measure": study.options["measure"],
        "device": devices[wildcards.device],
        "partner_device": devices[partner[1]] if partner else None,
    }


rule measure:
    input:
        artifact=measured_artifact,
        partner=partner_artifact,
        dataset="results/{experiment}/dataset",
    output:
        measurement="results/{experiment}/{variant}/seed{seed}/{device}/measurement.json",
        predictions="results/{experiment}/{variant}/seed{seed}/{device}/predictions.parquet",
    params:
        options=measure_options,
    log:
        "logs/{experiment}/{variant}/seed{seed}/measure_{device}.log",
    threads: workflow.cores
    script:
        "../scripts/measure.py"
