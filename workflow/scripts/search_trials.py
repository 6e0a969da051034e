"""Try options of a step until the search has as many trials as it asks for."""

from pathlib import Path

from encoder_compression.run.jobs import job
from encoder_compression.training.jobs import goal

with job(snakemake) as facts:
    from encoder_compression.search.trials import work

    facts |= work(
        technique=snakemake.params.technique,
        inputs=dict(snakemake.input.items()),
        goal=goal(snakemake),
        options=snakemake.params.options,
        search=snakemake.params.search,
        worker=int(snakemake.wildcards.worker),
        journal=Path(snakemake.params.journal),
        output=Path(snakemake.output[0]),
    )
