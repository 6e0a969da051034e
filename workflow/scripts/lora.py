"""Train low-rank updates and merge them."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.lora import lora

    facts |= train(
        lora,
        snakemake,
        parent=snakemake.input.parent,
        encoder=snakemake.input.encoder,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        options=snakemake.params.options,
        model=snakemake.output.model,
        adapter=snakemake.output.adapter,
        curve=snakemake.output.curve,
    )
