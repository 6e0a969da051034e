"""Cut the data set of a fold from that of the whole experiment."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.data.folds import cut_fold

    facts |= cut_fold(
        dataset=snakemake.input.dataset,
        output=snakemake.output[0],
        number=int(snakemake.wildcards.number),
        count=int(snakemake.wildcards.folds),
        seed=snakemake.params.seed,
    )
