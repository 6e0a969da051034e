"""Fine-tune the pretrained encoder."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import train

with job(snakemake) as facts:
    from encoder_compression.techniques.finetune import finetune

    facts |= train(
        finetune,
        snakemake,
        encoder=snakemake.input.encoder,
        options=snakemake.params.options,
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
