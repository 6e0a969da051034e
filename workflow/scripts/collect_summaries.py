"""Write the rows of all experiments of the run into one table."""

from encoder_compression.jobs import job
from encoder_compression.reporting.summarize import collect_summaries

with job(snakemake) as facts:
    facts |= collect_summaries(summaries=snakemake.input, output=snakemake.output[0])
