"""
Find options of a step: train it again and again with other ones, and choose by validation. The test split is never read.

IN   what the step's own rule reads, behind the 'parent' of its search, for the first seed
OUT  results/{experiment}/search/{step}/worker{worker}/trials.json  of each worker, when trials are enough
     results/{experiment}/search/{step}/best.json   the options found, which the step's own rule reads for every seed
     results/{experiment}/search/{step}/trials.csv  a row per trial
     results/{experiment}/search/{step}/search.png, search.svg

Workers share results/{experiment}/search/{step}/journal.log, beside the outputs: a search that was killed, or is to have more
trials, goes on with those that are there.
"""

from types import SimpleNamespace

# What a step's own rule reads besides the encoder and the data set, by the name of the input.
READ_BY_STEP = {
    "finetune": {},
    "lora": {"parent": parent_model_if_any, "teacher": teacher_if_any, "soft_targets": soft_targets},
    "distill": {
        "parent": parent_model,
        "teacher": teacher_of("model"),
        "start": start_of_other,
        "soft_targets": soft_targets,
        "unlabelled": unlabelled,
        "unlabelled_targets": unlabelled_targets,
    },
    "shrink": {"parent": parent_model, "teacher": teacher_of("model"), "soft_targets": soft_targets, "times": structure_times},
    "prune": {"parent": parent_model, "teacher": teacher_of("model"), "soft_targets": soft_targets},
}


def technique_of_step(wildcards):
    """Return the technique of the variant's last step."""
    return studies[wildcards.experiment].technique(wildcards.variant.split("+")[-1])


def read_by_step(wildcards):
    """Return what the rule of the variant's last step reads, by the names of its inputs."""
    return {name: path(wildcards) for name, path in READ_BY_STEP[technique_of_step(wildcards)].items()}


def first_seed(wildcards):
    """Return the seed that a search trains with."""
    return studies[wildcards.experiment].options["seeds"][0]


def as_searched(function):
    """Return a function of the wildcards experiment and step: what ``function`` gives for the chain that a search trains."""

    def of_search(wildcards):
        chain = studies[wildcards.experiment].searched_chain(wildcards.step)
        return function(SimpleNamespace(experiment=wildcards.experiment, variant=chain, seed=first_seed(wildcards)))

    return of_search


def search_options(wildcards):
    """Return how the options of the step are searched."""
    return studies[wildcards.experiment].options["search"][wildcards.step]


def workers_of_search(wildcards):
    """Return what the workers of a search leave."""
    numbers = range(1, search_options(wildcards)["workers"] + 1)
    return [f"results/{wildcards.experiment}/search/{wildcards.step}/worker{number}/trials.json" for number in numbers]


rule search_trials:
    input:
        unpack(as_searched(read_by_step)),
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
    output:
        "results/{experiment}/search/{step}/worker{worker}/trials.json",
    log:
        "logs/{experiment}/search/{step}/search_trials_{worker}.log",
    # trainings wait for it
    priority: 20
    threads: quarter_of_cores
    params:
        technique=as_searched(technique_of_step),
        options=as_searched(step_options),
        search=search_options,
        seed=first_seed,
        metric=section("metric"),
        journal="results/{experiment}/search/{step}/journal.log",
    script:
        "../scripts/search_trials.py"


rule choose_options:
    input:
        workers_of_search,
    output:
        best="results/{experiment}/search/{step}/best.json",
        table="results/{experiment}/search/{step}/trials.csv",
        picture="results/{experiment}/search/{step}/search.png",
        vector="results/{experiment}/search/{step}/search.svg",
    log:
        "logs/{experiment}/search/{step}/choose_options.log",
    priority: 20
    params:
        search=search_options,
        journal="results/{experiment}/search/{step}/journal.log",
    script:
        "../scripts/choose_options.py"
