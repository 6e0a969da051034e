"""Time a training in one process and in several."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.measurement.parallel_training import time_processes

    facts |= time_processes(
        encoder=snakemake.input.encoder,
        dataset=snakemake.input.dataset,
        **snakemake.params.options,
        threads=snakemake.threads,
        output=snakemake.output[0],
        name=title(snakemake),
    )
