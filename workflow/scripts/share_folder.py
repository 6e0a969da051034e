"""Give a fold an artifact of the whole experiment."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.run.shared_files import share

    share(folder=snakemake.input[0], output=snakemake.output[0])
