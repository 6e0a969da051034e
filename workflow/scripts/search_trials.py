"""Try options of a step until the search has as many trials as it asks for."""

from pathlib import Path

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.search.cross_validation import parts_of
    from encoder_compression.search.trials import work
    from encoder_compression.training.train import Goal

    parts = parts_of(dict(snakemake.input.items()), folds=snakemake.params.search.get("folds"))
    facts |= work(
        technique=snakemake.params.technique,
        parts=parts,
        goal=Goal(dataset=parts[0]["dataset"], metric=snakemake.params.metric, seed=snakemake.params.seed, name=title(snakemake)),
        options=snakemake.params.options,
        search=snakemake.params.search,
        worker=int(snakemake.wildcards.worker),
        journal=Path(snakemake.params.journal),
        output=Path(snakemake.output[0]),
    )
