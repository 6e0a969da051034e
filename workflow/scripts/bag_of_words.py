"""Fit a linear model of n-grams to the labels."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import goal

with job(snakemake) as facts:
    from encoder_compression.techniques.bag_of_words import bag_of_words

    facts |= bag_of_words(
        encoder=snakemake.input.encoder,
        goal=goal(snakemake),
        options=snakemake.params.options,
        graph=snakemake.output.graph,
        curve=snakemake.output.curve,
    )
