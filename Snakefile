"""Compress a transformer encoder: teacher -> student -> pruned -> quantized -> measured on each device."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/folds.smk"
include: "workflow/rules/replace_words.smk"


for technique in TECHNIQUES:

    include: f"workflow/rules/{technique}.smk"


include: "workflow/rules/time_structures.smk"
include: "workflow/rules/time_processes.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/screen.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/profile.smk"
include: "workflow/rules/summarize.smk"
include: "workflow/rules/deliver.smk"


rule all:
    """Make the report, tables and plots of every experiment that the run names, and the delivery of those with a contract."""
    default_target: True
    input:
        expand("results/{experiment}/{result}", experiment=inputs.reported, result=["report.html", "plots"]),
        expand("results/{experiment}/delivery", experiment=inputs.delivered),
        "results/summary.csv",
