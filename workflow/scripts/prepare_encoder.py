"""Fetch the pretrained encoder."""

from encoder_compression.environment import allow_network
from encoder_compression.jobs import job
from encoder_compression.sources.encoder import prepare_encoder

with job(snakemake) as facts:
    allow_network()
    facts |= prepare_encoder(source=snakemake.params.options, output=snakemake.output[0])
