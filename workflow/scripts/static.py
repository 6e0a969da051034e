"""Distil a student without layers from its chain's teacher."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.static import static

    facts |= train(
        static,
        snakemake,
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        unlabelled=snakemake.input.unlabelled,
        unlabelled_targets=snakemake.input.unlabelled_targets,
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
