"""Average the weights of the parent and of other models."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import goal

with job(snakemake) as facts:
    from encoder_compression.techniques.average import average

    facts |= average(
        parent=snakemake.input.parent,
        others=snakemake.input.others,
        goal=goal(snakemake),
        model=snakemake.output.model,
        curve=snakemake.output.curve,
    )
