"""
Find options of a step: train it again and again with other ones, and choose by validation, or by folds of train and validation. The test
split is never read.

IN   what the step's own rule reads, behind the 'parent' of its search, for the first seed; with folds, that of each
     results/{experiment}/folds/{number}of{folds}/
OUT  results/{experiment}/search/{step}/worker{worker}/trials.json  of each worker, when trials are enough
     results/{experiment}/search/{step}/best.json   the options found, which the step's own rule reads for every seed
     results/{experiment}/search/{step}/trials.csv  a row per trial
     results/{experiment}/search/{step}/search.png, search.svg

Workers share results/{experiment}/search/{step}/journal.log, beside the outputs: a search that was killed, or is to have more
trials, goes on with those that are there.
"""


rule search_trials:
    """Run trials of a hyperparameter search, scored on validation or by cross-validation."""
    input:
        unpack(inputs.of_search("reads")),
    output:
        "results/{experiment}/search/{step}/worker{worker}/trials.json",
    log:
        "logs/{experiment}/search/{step}/search_trials_{worker}.log",
    # trainings wait for it
    priority: 20
    threads: share_of_cores(1 / 4)
    params:
        technique=inputs.of_searched_step("technique"),
        options=inputs.of_searched_step("options"),
        search=inputs.of_search("options"),
        seed=inputs.of_search("first_seed"),
        metric=inputs.section("metric"),
        journal="results/{experiment}/search/{step}/journal.log",
    script:
        "../scripts/search_trials.py"


rule choose_options:
    """Choose the best trial of a hyperparameter search."""
    input:
        inputs.of_search("workers"),
    output:
        best="results/{experiment}/search/{step}/best.json",
        table="results/{experiment}/search/{step}/trials.csv",
        picture="results/{experiment}/search/{step}/search.png",
        vector="results/{experiment}/search/{step}/search.svg",
    log:
        "logs/{experiment}/search/{step}/choose_options.log",
    priority: 20
    params:
        search=inputs.of_search("options"),
        journal="results/{experiment}/search/{step}/journal.log",
    script:
        "../scripts/choose_options.py"
