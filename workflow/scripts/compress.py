"""Compress the weights of a model into a smaller file."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.export.compressed import compress

    facts |= compress(model=snakemake.input.model, output=snakemake.output[0])
