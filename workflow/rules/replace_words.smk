"""
Make texts without labels of those of train: words give way to others that a language model finds likely there.

IN   the model/ of an experiment about a corpus, results/{experiment}/dataset/
OUT  results/{experiment}/unlabelled/  as prepare_unlabelled leaves it
"""


rule replace_words:
    """Make unlabeled text from train: a language model replaces words."""
    input:
        model=language_model_of_other,
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/unlabelled"),
    log:
        "logs/{experiment}/replace_words.log",
    wildcard_constraints:
        experiment=unlabelled_pattern(studies, replaced=True),
    priority: 20
    threads: half_of_cores
    params:
        options=section("unlabelled"),
    script:
        "../scripts/replace_words.py"
