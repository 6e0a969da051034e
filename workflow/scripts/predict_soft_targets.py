"""Compute the teacher's logits on train, or on the texts without labels."""

from encoder_compression.run.jobs import job, title

with job(snakemake) as facts:
    from encoder_compression.teaching.soft_targets import predict_soft_targets

    facts |= predict_soft_targets(
        teacher=snakemake.input.teacher,
        dataset=snakemake.input.dataset,
        output=snakemake.output[0],
        name=title(snakemake),
    )
