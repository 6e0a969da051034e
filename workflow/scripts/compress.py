"""Compress the weights of a model into a smaller file."""

from encoder_compression.jobs import job

with job(snakemake) as facts:
    from encoder_compression.compressed import compress

    facts |= compress(model=snakemake.input.model, output=snakemake.output[0])
