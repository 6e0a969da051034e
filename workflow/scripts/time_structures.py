"""Time a model on a device with different numbers of heads and neurons."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.measurement.structures import time_structures

    facts |= time_structures(
        model=snakemake.input.model,
        artifact=snakemake.input.artifact,
        dataset=snakemake.input.dataset,
        **snakemake.params.options,
        times=snakemake.output[0],
        name=title(snakemake),
    )
