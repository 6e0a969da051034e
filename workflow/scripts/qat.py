"""Train the parent on with the rounding of the quantization that follows."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.qat import qat

    facts |= train(
        qat,
        snakemake,
        parent=snakemake.input.parent,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
