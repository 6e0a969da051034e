"""Quantize the parent's graph to INT8."""

from encoder_compression.jobs import job
from encoder_compression.techniques.quantize import quantize

with job(snakemake) as facts:
    facts |= quantize(parent=snakemake.input.parent, options=snakemake.params.options, output=snakemake.output[0])
