"""Fetch, split and tokenize the data set."""

from encoder_compression.run.environment import allow_network, tokenize_in_parallel
from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    allow_network()
    tokenize_in_parallel()

    from encoder_compression.data.dataset import prepare_dataset

    facts |= prepare_dataset(
        options=snakemake.params.options,
        task=snakemake.params.task,
        encoder=snakemake.input.encoder,
        output=snakemake.output[0],
    )
