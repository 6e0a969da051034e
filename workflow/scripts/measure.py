"""Measure a variant on a device, in turns with its partner."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.measurement.measure import measure

    options = snakemake.params.options
    facts |= measure(
        artifact=snakemake.input.artifact,
        device=options["device"],
        partner=(snakemake.input.partner, options["partner_device"], snakemake.input.partner_dataset) if snakemake.input.partner else None,
        dataset=snakemake.input.dataset,
        options=options["measure"],
        timed_as=snakemake.input.timed_as or None,
        measurement=snakemake.output.measurement,
        predictions=snakemake.output.predictions,
        name=title(snakemake),
    )
