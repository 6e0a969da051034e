"""Average the logits of one teacher's seeds."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.teaching.ensemble import average_soft_targets

    facts |= average_soft_targets(members=snakemake.input, output=snakemake.output[0])
