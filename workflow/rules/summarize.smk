"""
Turn the measurements of an experiment into tables and pictures.

IN   every measurement.json, predictions.parquet and training.csv of the experiment
OUT  results/{experiment}/summary.csv, summary.md, plots/
"""


rule summarize:
    input:
        measurements,
        trained_models,
    output:
        csv="results/{experiment}/summary.csv",
        markdown="results/{experiment}/summary.md",
    log:
        "logs/{experiment}/summarize.log",
    params:
        options=summary_options,
    script:
        "../scripts/summarize.py"


rule plot:
    input:
        models=trained_models,
        summary="results/{experiment}/summary.csv",
    output:
        directory("results/{experiment}/plots"),
    log:
        "logs/{experiment}/plot.log",
    script:
        "../scripts/plot.py"
