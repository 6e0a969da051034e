"""Write the tables, the report and the model cards of an experiment."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.reporting.summarize import summarize

    facts |= summarize(
        experiment=snakemake.wildcards.experiment,
        options=snakemake.params.options,
        dataset=snakemake.input.dataset,
        encoder=snakemake.input.encoder,
        processes=snakemake.input.processes,
        profiled=snakemake.input.profiles,
        output=dict(snakemake.output.items()),
    )
