"""Choose among the trials of a search."""

from pathlib import Path

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.search.choice import choose

    facts |= choose(
        step=snakemake.wildcards.step,
        search=snakemake.params.search,
        journal=Path(snakemake.params.journal),
        workers=snakemake.input,
        best=snakemake.output.best,
        table=snakemake.output.table,
        picture=Path(snakemake.output.picture).with_suffix(""),
    )
