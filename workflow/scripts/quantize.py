"""Quantize the parent's graph."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.techniques.quantize import quantize

    facts |= quantize(
        parent=snakemake.input.parent,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options,
        output=snakemake.output[0],
        name=title(snakemake),
    )
