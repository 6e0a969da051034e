"""Fetch the pretrained encoder."""

from encoder_compression.run.environment import allow_network
from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    allow_network()

    from encoder_compression.data.train_vocabulary import prepare_with_vocabulary
    from encoder_compression.encoders.encoder_facts import require_whole_blocks

    options = dict(snakemake.params.options)
    blocks, texts = options.pop("blocks", 1), options.pop("texts", None)
    model = snakemake.input.model  # of another experiment, where it is the source: a folder like any other
    source = {"files": {"folder": model}} if model else options
    facts |= prepare_with_vocabulary(source=source, texts=texts, output=snakemake.output[0])
    require_whole_blocks(snakemake.output[0], blocks)
