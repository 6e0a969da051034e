"""Prune the parent and train on."""

from encoder_compression.jobs import job, task
from encoder_compression.techniques.prune import prune

with job(snakemake) as facts:
    facts |= prune(
        parent=snakemake.input.parent,
        task=task(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
