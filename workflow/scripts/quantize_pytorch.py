"""Quantize the parent for PyTorch, in the format of the Hugging Face Hub."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.quantization.pytorch_model import quantize

    facts |= quantize(
        parent=snakemake.input.parent,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options,
        output=snakemake.output[0],
    )
