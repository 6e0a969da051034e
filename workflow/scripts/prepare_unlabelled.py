"""Fetch and tokenize further texts that the data set does not have."""

from encoder_compression.run.environment import allow_network, tokenize_in_parallel
from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    allow_network()
    tokenize_in_parallel()

    from encoder_compression.data.unlabelled import prepare_unlabelled

    facts |= prepare_unlabelled(
        options=snakemake.params.options,
        dataset=snakemake.input.dataset,
        encoder=snakemake.input.encoder,
        output=snakemake.output[0],
    )
