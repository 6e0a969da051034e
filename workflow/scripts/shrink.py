"""Take heads and neurons out of the parent and train on."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.shrink import shrink

    facts |= train(
        shrink,
        snakemake,
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        times=snakemake.input.times,
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
