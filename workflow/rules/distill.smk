"""
Distil a student with fewer layers from the step of its chain that it names as its teacher.

IN   the parent's and the teacher's model/, results/{experiment}/base/, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/soft_targets/  of a teacher: its logits on train, shared by all students
     results/{experiment}/{variant}/seed{seed}/model/, training.csv
"""


def teacher_of(form):
    """Return a function of wildcards that gives a folder of the variant's teacher."""

    def of_variant(wildcards):
        study = studies[wildcards.experiment]
        return study.folder(study.teacher(wildcards.variant), wildcards.seed, form)

    return of_variant


def soft_targets(wildcards):
    """Return the teacher's logits where the student's loss uses them, else nothing."""
    weight = step_options(wildcards)["loss"]["soft"]
    return teacher_of("soft_targets")(wildcards) if weight else []


rule predict_soft_targets:
    input:
        teacher="results/{experiment}/{variant}/seed{seed}/model",
        dataset="results/{experiment}/dataset",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/soft_targets"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/predict_soft_targets.log",
    threads: half_of_cores
    priority: 20
    script:
        "../scripts/predict_soft_targets.py"


rule distill:
    input:
        parent=parent_model,
        teacher=teacher_of("model"),
        soft_targets=soft_targets,
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
    output:
        model=directory("results/{experiment}/{variant}/seed{seed}/model"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    params:
        options=step_options,
        metric=section("metric"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/distill.log",
    wildcard_constraints:
        variant=steps_pattern(studies, "distill"),
    threads: quarter_of_cores
    priority: 10
    script:
        "../scripts/distill.py"
