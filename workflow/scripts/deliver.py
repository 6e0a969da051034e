"""Write the delivery of an experiment with a contract."""

from encoder_compression.run.jobs import job

with job(snakemake) as facts:
    from encoder_compression.contract.deliver import deliver

    facts |= deliver(
        experiment=snakemake.wildcards.experiment,
        options=snakemake.params.options,
        gate=snakemake.input.gate,
        aggregate=snakemake.input.aggregate,
        summary=snakemake.input.summary,
        screening=snakemake.input.screening or None,
        output=snakemake.output[0],
    )
