"""Write the tables of an experiment."""

from encoder_compression.jobs import job
from encoder_compression.summary import summarize

with job(snakemake) as facts:
    facts |= summarize(
        experiment=snakemake.wildcards.experiment,
        **snakemake.params.options,
        csv=snakemake.output.csv,
        markdown=snakemake.output.markdown,
    )
