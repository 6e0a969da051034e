"""
Fetch the encoder and the data set, check them, split and tokenize once.

IN   the sections 'encoder', 'dataset' and, where a step asks for it, 'unlabelled' of the experiment;
     the model/ of another experiment where 'encoder' names one
OUT  results/{experiment}/base/        encoder and tokenizer in Hugging Face format
     results/{experiment}/dataset/     train, validation and test as Parquet, dataset.json
     results/{experiment}/unlabelled/  further texts that the data set does not have, as train without labels

These are the only rules that use the network; they run where Snakemake runs.
"""


localrules:
    prepare_encoder,
    prepare_dataset,
    prepare_unlabelled,


rule prepare_encoder:
    """Fetch the pretrained encoder and check it."""
    input:
        model=inputs.of_experiment("encoder"),
    output:
        directory("results/{experiment}/base"),
    log:
        "logs/{experiment}/prepare_encoder.log",
    wildcard_constraints:
        experiment=targets.prepared_pattern(studies),
    params:
        options=inputs.of_experiment("encoder_options"),
    script:
        "../scripts/prepare_encoder.py"


rule prepare_dataset:
    """Fetch the data set, check it, split it and tokenize it."""
    input:
        encoder="results/{experiment}/base",
    output:
        directory("results/{experiment}/dataset"),
    log:
        "logs/{experiment}/prepare_dataset.log",
    wildcard_constraints:
        experiment=targets.prepared_pattern(studies),
    params:
        options=inputs.section("dataset"),
        task=inputs.section("task"),
    script:
        "../scripts/prepare_dataset.py"


rule prepare_unlabelled:
    """Fetch unlabeled text, less what the data set holds."""
    input:
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/unlabelled"),
    log:
        "logs/{experiment}/prepare_unlabelled.log",
    wildcard_constraints:
        experiment=targets.unlabelled_pattern(studies, replaced=False),
    params:
        options=inputs.section("unlabelled"),
    script:
        "../scripts/prepare_unlabelled.py"
