"""Write an ONNX graph in OpenVINO's form."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.export.openvino_model import convert

    facts |= convert(
        model=snakemake.input.model,
        graph=snakemake.input.graph,
        options=snakemake.params.options,
        output=snakemake.output[0],
    )
