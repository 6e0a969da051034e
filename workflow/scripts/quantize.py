"""Quantize the parent's graph."""

from encoder_compression.jobs import job, title
from encoder_compression.techniques.quantize import quantize

with job(snakemake) as facts:
    facts |= quantize(
        parent=snakemake.input.parent,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options,
        output=snakemake.output[0],
        name=title(snakemake),
    )
