"""Replace words of train's texts by others that fit."""

from encoder_compression.jobs import job, title
from encoder_compression.techniques.replacement import replace_words

with job(snakemake) as facts:
    facts |= replace_words(
        model=snakemake.input.model,
        dataset=snakemake.input.dataset,
        options=snakemake.params.options["replaced"],
        output=snakemake.output[0],
        name=title(snakemake),
    )
