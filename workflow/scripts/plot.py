"""Draw the pictures of an experiment."""

from encoder_compression.jobs import job
from encoder_compression.plots import plot

with job(snakemake) as facts:
    facts |= plot(summary=snakemake.input.summary, models=snakemake.input.models, folder=snakemake.output[0])
