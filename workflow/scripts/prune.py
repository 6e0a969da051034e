"""Prune the parent and train on."""

from encoder_compression.jobs import goal, job
from encoder_compression.techniques.prune import prune

with job(snakemake) as facts:
    facts |= prune(
        parent=snakemake.input.parent,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
