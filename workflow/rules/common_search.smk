"""The functions of wildcards that the rules of a search use."""

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
    "qat": {"parent": parent_model, "teacher": teacher_of("model"), "soft_targets": soft_targets},
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
