"""Fine-tune the pretrained encoder."""

from encoder_compression.jobs import goal, job
from encoder_compression.techniques.finetune import finetune

with job(snakemake) as facts:
    facts |= finetune(
        encoder=snakemake.input.encoder,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
