"""
Distil a student from the step of its chain that it names as its teacher, from a model of another experiment, or from files.

IN   the parent's and the teacher's model/, results/{experiment}/base/, results/{experiment}/dataset/,
     results/{experiment}/unlabelled/ where the step asks for it, the model/ of another experiment where the student starts from one
     of another experiment that teaches: model/, soft_targets/, dataset/; or files of probabilities
OUT  results/{experiment}/{variant}/seed{seed}/soft_targets/  of a teacher: its logits on train, shared by all students
     results/{experiment}/{variant}/seed{seed}/top{number}_logits/  of a corpus: the largest of them, at tokens that stay hidden
     results/{experiment}/{variant}/seed{seed}/unlabelled_targets/  those on the texts without labels
     results/{experiment}/{variant}/soft_targets/, unlabelled_targets/  the means over all seeds, where a step learns from the ensemble
     results/{experiment}/fitted/{student}/soft_targets/, unlabelled_targets/  from another experiment or files, a row per row of this one
     results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


rule predict_soft_targets:
    """Write a teacher's logits on train, the soft targets of its students."""
    input:
        teacher="results/{experiment}/{variant}/seed{seed}/model",
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/soft_targets"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/predict_soft_targets.log",
    priority: 20
    threads: share_of_cores(1 / 2)
    script:
        "../scripts/predict_soft_targets.py"


rule predict_top_logits:
    """Write a teacher's largest logits at the masked tokens of a corpus."""
    input:
        teacher="results/{experiment}/{variant}/seed{seed}/model",
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/top{number}_logits"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/predict_top{number}_logits.log",
    wildcard_constraints:
        number="[1-9][0-9]*",
    priority: 20
    threads: share_of_cores(1 / 2)
    script:
        "../scripts/predict_top_logits.py"


rule predict_unlabelled_targets:
    """Write a teacher's logits on unlabeled text."""
    input:
        teacher="results/{experiment}/{variant}/seed{seed}/model",
        dataset="results/{experiment}/unlabelled",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/unlabelled_targets"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/predict_unlabelled_targets.log",
    priority: 20
    threads: share_of_cores(1 / 2)
    script:
        "../scripts/predict_soft_targets.py"


rule average_soft_targets:
    """Average the soft targets of all seeds of a teacher: an ensemble."""
    input:
        inputs.targets_of_every_seed,
    output:
        directory("results/{experiment}/{variant}/{targets}"),
    log:
        "logs/{experiment}/{variant}/average_{targets}.log",
    wildcard_constraints:
        targets="soft_targets|unlabelled_targets",
    script:
        "../scripts/average_soft_targets.py"


rule fit_soft_targets:
    """Fit soft targets of another experiment's model, or of files, to the rows of this experiment."""
    input:
        unpack(inputs.of_fitted("reads")),
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/fitted/{student}/{targets}"),
    log:
        "logs/{experiment}/fitted/{student}/fit_{targets}.log",
    wildcard_constraints:
        student=targets.taught_elsewhere_pattern(studies),
        targets="soft_targets|unlabelled_targets",
    priority: 20
    params:
        options=inputs.of_fitted("options"),
    script:
        "../scripts/fit_soft_targets.py"


rule distill:
    """Train a student by knowledge distillation."""
    input:
        parent=inputs.of_step("parent"),
        teacher=inputs.of_step("teacher"),
        soft_targets=inputs.of_step("soft_targets"),
        unlabelled=inputs.of_step("unlabelled"),
        unlabelled_targets=inputs.of_step("unlabelled_targets"),
        encoder="results/{experiment}/base",
        start=inputs.of_step("start"),
        dataset="results/{experiment}/dataset",
        best=inputs.of_step("best"),
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/distill.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "distill"),
    # the longest jobs first, so that short ones fill the end
    priority: 15
    threads: share_of_cores(1 / 4)
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/distill.py"
