"""Profile a variant on a device."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.measurement.profiles import profile

    facts |= profile(
        artifact=snakemake.input.artifact,
        dataset=snakemake.input.dataset,
        **snakemake.params.options,
        output=snakemake.output[0],
        name=title(snakemake),
    )
