"""Keep the part of the parent's vocabulary that the task needs."""

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import goal

with job(snakemake) as facts:
    from encoder_compression.techniques.trim import trim

    facts |= trim(
        parent=snakemake.input.parent,
        goal=goal(snakemake),
        options=snakemake.params.options,
        model=snakemake.output.model,
        dataset=snakemake.output.dataset,
        curve=snakemake.output.curve,
    )
