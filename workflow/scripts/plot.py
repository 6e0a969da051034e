"""Draw the pictures of an experiment."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.reporting.plots import plot

    facts |= plot(
        aggregate=snakemake.input.aggregate,
        models=snakemake.input.models,
        pretrained=snakemake.input.pretrained,
        profiles=snakemake.input.profiles,
        folder=snakemake.output[0],
    )
