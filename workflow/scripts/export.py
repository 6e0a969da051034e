"""Export weights as an ONNX graph."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.export.onnx_graph import export

    facts |= export(model=snakemake.input.model, options=snakemake.params.options, output=snakemake.output[0])
