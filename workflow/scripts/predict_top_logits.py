"""Compute the teacher's largest logits at the hidden tokens of a corpus."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.teaching.top_logits import predict_top_logits

    facts |= predict_top_logits(
        teacher=snakemake.input.teacher,
        dataset=snakemake.input.dataset,
        seed=int(snakemake.wildcards.seed),
        count=int(snakemake.wildcards.number),
        output=snakemake.output[0],
        name=title(snakemake),
    )
