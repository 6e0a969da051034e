"""
Screen a variant on a device for a search: a few calls, and its predictions on validation. The test split is never read.

IN   the artifact that the device's runtime reads (model/, onnx/ or openvino/), the data set
OUT  results/{experiment}/{variant}/seed{seed}/{device}/screening/measurement.json, predictions.parquet

Asked for by 'encoder-compression compress', or as a target. It has the machine to itself, as every measurement.
"""


rule screen:
    """Time a few calls of a variant on a device, and predict the validation split."""
    input:
        artifact=inputs.of_row("artifact"),
        dataset=inputs.of_step("dataset"),
    output:
        measurement="results/{experiment}/{variant}/seed{seed}/{device}/screening/measurement.json",
        predictions="results/{experiment}/{variant}/seed{seed}/{device}/screening/predictions.parquet",
    log:
        "logs/{experiment}/{variant}/seed{seed}/screen_{device}.log",
    threads: share_of_cores(1)
    params:
        options=inputs.of_row("screening_options"),
    script:
        "../scripts/screen.py"
