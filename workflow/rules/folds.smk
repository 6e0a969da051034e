"""
Cut the data set of an experiment into folds, for a search that is scored by cross-validation.

IN   results/{experiment}/base/, results/{experiment}/dataset/, of which test is not read, results/{experiment}/unlabelled/
OUT  results/{experiment}/folds/{number}of{folds}/dataset/     train and validation of the other folds; test is what the fold leaves out
     results/{experiment}/folds/{number}of{folds}/base/        the same files, hard links where the file system has them
     results/{experiment}/folds/{number}of{folds}/unlabelled/  the same, where a step asks for it

{experiment}/folds/{number}of{folds} is an experiment to all other rules: they make the chain behind which a step is searched in each fold.
"""


localrules:
    cut_fold,
    share_encoder,
    share_unlabelled,


rule cut_fold:
    """Cut train and validation into folds and leave one of them out."""
    input:
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/folds/{number}of{folds}/dataset"),
    log:
        "logs/{experiment}/folds/{number}of{folds}/cut_fold.log",
    wildcard_constraints:
        experiment=targets.prepared_pattern(studies),
        number=r"\d+",
        folds=r"\d+",
    params:
        seed=inputs.of_experiment("first_seed"),
    script:
        "../scripts/cut_fold.py"


rule share_encoder:
    """Give a fold the encoder of the whole experiment."""
    input:
        "results/{experiment}/base",
    output:
        directory("results/{experiment}/folds/{number}of{folds}/base"),
    log:
        "logs/{experiment}/folds/{number}of{folds}/share_encoder.log",
    wildcard_constraints:
        experiment=targets.prepared_pattern(studies),
        number=r"\d+",
        folds=r"\d+",
    script:
        "../scripts/share_folder.py"


rule share_unlabelled:
    """Give a fold the unlabeled text of the whole experiment."""
    input:
        "results/{experiment}/unlabelled",
    output:
        directory("results/{experiment}/folds/{number}of{folds}/unlabelled"),
    log:
        "logs/{experiment}/folds/{number}of{folds}/share_unlabelled.log",
    wildcard_constraints:
        experiment=targets.unlabelled_pattern(studies, replaced=False),
        number=r"\d+",
        folds=r"\d+",
    script:
        "../scripts/share_folder.py"
