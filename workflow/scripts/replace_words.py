"""Replace words of train's texts by others that fit."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.data.replacement import replace_words

    facts |= replace_words(
        model=snakemake.input.model,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options["replaced"],
        output=snakemake.output[0],
        name=title(snakemake),
    )
