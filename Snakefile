"""Compress a transformer encoder: teacher -> student -> pruned -> quantized -> measured on each device."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/lora.smk"
include: "workflow/rules/replace_words.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/average.smk"
include: "workflow/rules/time_structures.smk"
include: "workflow/rules/shrink.smk"
include: "workflow/rules/prune.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/qat.smk"
include: "workflow/rules/trim.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/quantize.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/summarize.smk"


rule all:
    """Make the report, tables and plots of every experiment that the run names."""
    default_target: True
    input:
        expand("results/{experiment}/{result}", experiment=reported, result=["report.html", "plots"]),
        "results/summary.csv",
