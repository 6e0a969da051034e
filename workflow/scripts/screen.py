"""Screen a variant on a device."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.measurement.screening import screen

    facts |= screen(
        artifact=snakemake.input.artifact,
        dataset=snakemake.input.dataset,
        **snakemake.params.options,
        measurement=snakemake.output.measurement,
        predictions=snakemake.output.predictions,
        name=title(snakemake),
    )
