"""
Turn the measurements of an experiment into tables and pictures.

IN   every measurement.json, predictions.parquet and training.csv of the experiment
OUT  results/{experiment}/summary.csv, summary.md, plots/
"""


def measurements(wildcards):
    """Return the measurement of every row of the experiment and of the baselines they are compared with."""
    rows = studies[wildcards.experiment].table_rows()
    folders = {row[key] for row in rows for key in ("folder", "baseline", "same_runtime")}
    return sorted(f"{folder}/measurement.json" for folder in folders)


def trained_models(wildcards):
    """Return the models that the chains of the experiment trained."""
    return sorted({model for row in studies[wildcards.experiment].table_rows() for model in row["trained"]})


def summary_options(wildcards):
    """Return the metric and the rows of the table."""
    study = studies[wildcards.experiment]
    return {"metric": study.options["metric"], "rows": study.table_rows()}


rule summarize:
    input:
        measurements,
        trained_models,
    output:
        csv="results/{experiment}/summary.csv",
        markdown="results/{experiment}/summary.md",
    params:
        options=summary_options,
    log:
        "logs/{experiment}/summarize.log",
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
