"""Export weights as an ONNX graph."""

from encoder_compression.jobs import job
from encoder_compression.techniques.onnx_graph import export

with job(snakemake) as facts:
    facts |= export(model=snakemake.input.model, options=snakemake.params.options, output=snakemake.output[0])
