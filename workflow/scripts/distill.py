"""Distil a student from its chain's teacher."""

from encoder_compression.jobs import goal, job
from encoder_compression.techniques.distill import distill

with job(snakemake) as facts:
    facts |= distill(
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        encoder=snakemake.input.encoder,
        start=snakemake.input.start,
        soft_targets=snakemake.input.soft_targets,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
