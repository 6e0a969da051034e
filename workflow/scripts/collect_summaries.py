"""Write the rows of all experiments of the run into one table."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.reporting.summarize import collect_summaries

    facts |= collect_summaries(summaries=snakemake.input, output=snakemake.output[0])
