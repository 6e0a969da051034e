"""
Turn the measurements of an experiment into tables, pictures, one report, and a card in the folder of each artifact.

IN   every measurement.json, predictions.parquet and training.csv of the experiment, the compressed/ of its pruned variants, its profiles,
     processes/times.csv where it names 'processes'
OUT  results/{experiment}/summary.csv    a row per variant, seed and device
     results/{experiment}/aggregate.csv  a row per variant and device, with intervals, tests and verdicts
     results/{experiment}/pairs.csv      a row per two variants that 'compare' names together
     results/{experiment}/slices.csv, grid.csv, summary.md, summary.tex, report.html, plots/
     results/{experiment}/gate.json      what the release gate says of each row
     results/summary.csv                 the rows of all experiments of the run
     README.md in the folder of every artifact (not an output: it belongs to a folder that another rule makes)
"""


rule summarize:
    """Write the tables, the report and the model cards of an experiment."""
    input:
        inputs.of_experiment("measurements"),
        inputs.of_experiment("trained_models"),
        inputs.of_experiment("compressed_models"),
        processes=inputs.of_experiment("processes_times"),
        profiles=inputs.of_experiment("profiles"),
        dataset="results/{experiment}/dataset",
        encoder="results/{experiment}/base",
    output:
        summary=report("results/{experiment}/summary.csv", caption="../report/summary.rst", category="{experiment}"),
        aggregate=report("results/{experiment}/aggregate.csv", caption="../report/aggregate.rst", category="{experiment}"),
        pairs="results/{experiment}/pairs.csv",
        slices="results/{experiment}/slices.csv",
        grid="results/{experiment}/grid.csv",
        markdown="results/{experiment}/summary.md",
        latex="results/{experiment}/summary.tex",
        page=report("results/{experiment}/report.html", caption="../report/page.rst", category="{experiment}"),
        gate="results/{experiment}/gate.json",
    log:
        "logs/{experiment}/summarize.log",
    params:
        options=inputs.of_experiment("summary_options"),
    script:
        "../scripts/summarize.py"


rule plot:
    """Draw the plots of an experiment."""
    input:
        models=inputs.of_experiment("trained_models"),
        pretrained=inputs.of_experiment("pretrained_models"),
        profiles=inputs.of_experiment("profiles"),
        aggregate="results/{experiment}/aggregate.csv",
    output:
        report(directory("results/{experiment}/plots"), patterns=["{name}.svg"], caption="../report/plots.rst", category="{experiment}"),
    log:
        "logs/{experiment}/plot.log",
    script:
        "../scripts/plot.py"


rule collect_summaries:
    """Write the rows of all experiments of the run into one table."""
    input:
        expand("results/{experiment}/summary.csv", experiment=inputs.reported),
    output:
        "results/summary.csv",
    log:
        "logs/collect_summaries.log",
    script:
        "../scripts/collect_summaries.py"
