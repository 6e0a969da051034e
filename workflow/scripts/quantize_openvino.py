"""Quantize the parent to INT8 in OpenVINO's form."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.export.openvino_model import quantize

    facts |= quantize(
        parent=snakemake.input.parent,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options,
        output=snakemake.output[0],
    )
