"""Write the tables, the report and the model cards of an experiment."""

from encoder_compression.jobs import job
from encoder_compression.reporting.summarize import summarize

with job(snakemake) as facts:
    facts |= summarize(
        experiment=snakemake.wildcards.experiment,
        options=snakemake.params.options,
        dataset=snakemake.input.dataset,
        encoder=snakemake.input.encoder,
        output=dict(snakemake.output.items()),
    )
