"""
Make texts without labels of those of train: words give way to others that a language model finds likely there.

IN   the model/ of an experiment about a corpus, results/{experiment}/dataset/
OUT  results/{experiment}/unlabelled/  as prepare_unlabelled leaves it
"""


rule replace_words:
    """Make unlabeled text from train: a language model replaces words."""
    input:
        model=inputs.of_experiment("language_model"),
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/unlabelled"),
    log:
        "logs/{experiment}/replace_words.log",
    wildcard_constraints:
        experiment=targets.unlabelled_pattern(studies, replaced=True),
    priority: 20
    threads: share_of_cores(1 / 2)
    params:
        options=inputs.section("unlabelled"),
    script:
        "../scripts/replace_words.py"
