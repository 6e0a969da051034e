"""Train low-rank updates and merge them."""

from encoder_compression.jobs import goal, job
from encoder_compression.techniques.lora import lora

with job(snakemake) as facts:
    facts |= lora(
        parent=snakemake.input.parent,
        encoder=snakemake.input.encoder,
        teacher=snakemake.input.teacher,
        soft_targets=snakemake.input.soft_targets,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        adapter=snakemake.output.adapter,
        curve=snakemake.output.curve,
    )
