"""Prune the parent and train on."""

from encoder_compression.jobs import goal, job
from encoder_compression.techniques.prune import prune

with job(snakemake) as facts:
    facts |= prune(
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
