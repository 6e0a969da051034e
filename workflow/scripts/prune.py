"""Prune the parent and train on."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.prune import prune

    facts |= train(
        prune,
        snakemake,
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
