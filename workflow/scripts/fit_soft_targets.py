"""Fit soft targets from elsewhere to the rows that a student reads."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    if snakemake.input.files:
        from encoder_compression.teaching.given_targets import fit_probabilities

        facts |= fit_probabilities(
            options=snakemake.params.options,
            rows=snakemake.input.rows,
            dataset=snakemake.input.dataset,
            output=snakemake.output[0],
        )
    else:
        from encoder_compression.teaching.fitted_targets import fit_logits

        facts |= fit_logits(
            logits=snakemake.input.logits,
            read=snakemake.input.read,
            labels=snakemake.input.labels,
            rows=snakemake.input.rows,
            dataset=snakemake.input.dataset,
            output=snakemake.output[0],
        )
