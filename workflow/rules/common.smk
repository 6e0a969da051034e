"""
The studies of this run, read and checked once, and the functions of wildcards that all rules use.

Logic lives in the package src/encoder_compression; here wildcards become its arguments.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("encoder_compression") is None:
    remedy = "pip install --no-deps --no-build-isolation --editable ."
    sys.exit(f"Error: this environment has no package encoder_compression; run 'make .venv/ready', or in another one: {remedy}")

from encoder_compression.config import frozen, yaml_files
from encoder_compression.run import environment, locks
from encoder_compression.cluster.queue import refuse_orphans
from encoder_compression.config.load import load_experiments
from encoder_compression.errors import UserError
from encoder_compression.study.study import Study
from encoder_compression.study.targets import check_references, check_target
from encoder_compression.study.targets import quantized_pattern, searched_pattern, steps_pattern, unlabelled_pattern, weights_pattern

ROOT = Path(workflow.basedir)


def read_experiments():
    """Return the options of the run's experiments, from their YAML files."""
    for file in [*workflow.configfiles, *ROOT.glob("profiles/*/config.yaml")]:  # which Snakemake's own reader takes as they are
        yaml_files.read(Path(file))
    return load_experiments(shared=config, config_folder=ROOT / "config", schema_folder=ROOT / "workflow" / "schemas")


try:
    environment.require_linux()
    environment.require_package_of(ROOT)
    # Inherited by every job; C libraries read them when a process starts.
    environment.apply_process_settings()
    environment.quote_interpreter()
    locks.release_after_kill()
    experiments = frozen.freeze(read_experiments()) if workflow.is_main_process else frozen.recall()
    studies = {name: Study(name, options) for name, options in experiments.items()}
    check_references(studies)
    reported = [name for name, options in experiments.items() if options["reported"]]
    # Snakemake shows its targets to no Snakefile; a chain with a typo should say so and not "missing rule".
    for argument in sys.argv[1:]:
        check_target(argument, studies)
except UserError as error:
    sys.exit(f"Error: {error}")


onstart:
    try:
        refuse_orphans()
    except UserError as error:
        sys.exit(f"Error: {error}")
    locks.record_runner()


onsuccess:
    locks.forget_runner()


onerror:
    locks.forget_runner()


wildcard_constraints:
    experiment="|".join(studies),
    variant=r"[^/]+",
    seed=r"\d+",
    device="|".join(device for study in studies.values() for device in study.options["devices"]),
    step=searched_pattern(studies),
    worker=r"[1-9]\d*",


def section(name):
    """Return a function of wildcards that gives a section of the experiment's options."""

    def of_experiment(wildcards):
        return studies[wildcards.experiment].options[name]

    return of_experiment


def step_options(wildcards):
    """Return the options of the variant's last step."""
    return studies[wildcards.experiment].step_options(wildcards.variant)


def parent_in(form):
    """Return a function of wildcards that gives the form of the parent that the variant's last step starts from."""

    def of_variant(wildcards):
        study = studies[wildcards.experiment]
        return study.folder(study.parent(wildcards.variant), wildcards.seed, form)

    return of_variant


def quantize_options(wildcards):
    """Return the options of the variant's last step and the metric by which it may choose."""
    return step_options(wildcards) | {"metric": studies[wildcards.experiment].options["metric"]}


parent_model = parent_in("model")


def parent_model_if_any(wildcards):
    """Return the model that the variant's last step starts from, or nothing where it is the first step."""
    return parent_model(wildcards) if "+" in wildcards.variant else []


def teacher_of(form):
    """Return a function of wildcards that gives a folder of the variant's teacher."""

    def of_variant(wildcards):
        study = studies[wildcards.experiment]
        return study.folder(study.teacher(wildcards.variant), wildcards.seed, form)

    return of_variant


def teacher_if_any(wildcards):
    """Return the model that the variant's last step learns from, or nothing where it learns from labels alone."""
    taught = studies[wildcards.experiment].is_taught(wildcards.variant)
    return teacher_of("model")(wildcards) if taught else []


def soft_targets(wildcards):
    """Return the teacher's logits where the student's loss uses them and they are kept, else nothing."""
    study = studies[wildcards.experiment]
    form = study.soft_targets_form(wildcards.variant)
    return study.targets(wildcards.variant, wildcards.seed, form) if form else []


def targets_of_every_seed(wildcards):
    """Return the logits of the variant's models of all seeds."""
    study = studies[wildcards.experiment]
    return [study.folder(wildcards.variant, seed, wildcards.targets) for seed in study.options["seeds"]]


def averaged_models(wildcards):
    """Return the models of the same seed whose weights are averaged with the parent's."""
    study = studies[wildcards.experiment]
    return [study.folder(other, wildcards.seed, "model") for other in step_options(wildcards)["with"]]


def model_of_other(reference):
    """Return the model of a variant of another experiment; ``reference`` names experiment, variant and seed."""
    return studies[reference["experiment"]].folder(reference["variant"], reference["seed"], "model")


def encoder_of_other(wildcards):
    """Return the model of another experiment that is the encoder of this one, or nothing where the encoder has another source."""
    encoder = studies[wildcards.experiment].options["encoder"]
    return model_of_other(encoder["variant"]) if "variant" in encoder else []


def language_model_of_other(wildcards):
    """Return the model of another experiment that replaces words of train."""
    return model_of_other(studies[wildcards.experiment].options["unlabelled"]["replaced"]["model"])


def start_of_other(wildcards):
    """Return the model of another experiment that the variant's student starts from, or nothing where it starts elsewhere."""
    start = step_options(wildcards)["start"]
    return model_of_other(start) if isinstance(start, dict) else []


def unlabelled(wildcards):
    """Return the further texts that the student reads, or that say how long its control trains; else nothing."""
    return f"results/{wildcards.experiment}/unlabelled" if step_options(wildcards)["unlabelled"] else []


def unlabelled_targets(wildcards):
    """Return the teacher's logits on the further texts where the student's loss uses them, else nothing."""
    study, own = studies[wildcards.experiment], step_options(wildcards)
    asked = own["unlabelled"] and own["loss"]["soft"]
    return study.targets(wildcards.variant, wildcards.seed, "unlabelled_targets") if asked else []


def measured_artifact(wildcards):
    """Return the artifact that the device's runtime reads."""
    study = studies[wildcards.experiment]
    return study.folder(wildcards.variant, wildcards.seed, study.form(wildcards.device))


def partner_artifact(wildcards):
    """Return the artifact of the row's partner, or nothing for the baseline."""
    study = studies[wildcards.experiment]
    partner = study.partner(wildcards.variant, wildcards.device)
    return study.folder(partner[0], wildcards.seed, study.form(partner[1])) if partner else []


def dataset_of_variant(wildcards):
    """Return the data set that the variant reads."""
    return studies[wildcards.experiment].dataset(wildcards.variant, wildcards.seed)


def dataset_of_partner(wildcards):
    """Return the data set that the row's partner reads, or nothing for the baseline."""
    study = studies[wildcards.experiment]
    partner = study.partner(wildcards.variant, wildcards.device)
    return study.dataset(partner[0], wildcards.seed) if partner else []


def measure_options(wildcards):
    """Return how to measure, on which device, and on which device the partner runs."""
    study = studies[wildcards.experiment]
    devices = study.options["devices"]
    partner = study.partner(wildcards.variant, wildcards.device)
    options = study.options["measure"] | {"metric": study.options["metric"]}
    if int(wildcards.seed) != study.options["seeds"][0]:  # the grid is a matter of shapes, which all seeds share
        options = options | {"grid": options["grid"] | {"batch_sizes": []}}
    return {
        "measure": options,
        "device": devices[wildcards.device],
        "partner_device": devices[partner[1]] if partner else None,
    }


def structure_times(wildcards):
    """Return what the parent's structures take on the device that the step is to be fast on, or nothing where it names none."""
    study = studies[wildcards.experiment]
    if "target" not in step_options(wildcards):
        return []
    folder = f"structure_times/{step_options(wildcards)['target']['device']}"
    first = study.options["seeds"][0]  # times are a matter of shapes, which all seeds share
    return study.folder(study.parent(wildcards.variant), first, f"{folder}/times.json")


def best_options(wildcards):
    """Return the options that were searched for the variant's last step, or nothing where none are."""
    step = studies[wildcards.experiment].searched_step(wildcards.variant)
    return f"results/{wildcards.experiment}/search/{step}/best.json" if step else []


def structure_times_options(wildcards):
    """Return how to time structures on the device, and how to write graphs where its runtime reads them."""
    study = studies[wildcards.experiment]
    measure = study.options["measure"]
    return {
        "device": study.options["devices"][wildcards.device],
        "export": study.options["export"] if study.form(wildcards.device) != "model" else None,
        "measure": {name: measure[name] for name in ("calls", "launches", "rounds", "version", "warmup_calls")},
    }


def measurements(wildcards):
    """Return the measurement of every row of the experiment and of all that they are compared with."""
    rows = studies[wildcards.experiment].table_rows()
    folders = {folder for row in rows for folder in (row["baseline"], row["same_runtime"], *row["folder_of"].values())}
    return sorted(f"{folder}/measurement.json" for folder in folders)


def trained_models(wildcards):
    """Return the models that the chains of the experiment trained."""
    return sorted({model for row in studies[wildcards.experiment].table_rows() for model in row["trained"]})


def compressed_models(wildcards):
    """Return the compressed weights that belong to every run of the experiment."""
    return [artifact["folder"] for artifact in studies[wildcards.experiment].artifacts() if artifact["form"] == "compressed"]


def summary_options(wildcards):
    """Return what the tables, the report and the model cards need to know of the experiment."""
    study = studies[wildcards.experiment]
    named = {
        name: study.options[name]
        for name in ("task", "metric", "baseline", "devices", "quality_gate", "budget", "compare", "encoder", "dataset", "unlabelled")
        if name in study.options
    }
    return named | {"rows": study.table_rows(), "artifacts": study.artifacts()}


def all_of_cores(wildcards):
    """Return the threads of a job that has the machine to itself."""
    return workflow.cores or 1


def half_of_cores(wildcards):
    """Return the threads of a job that others wait for."""
    return max(1, (workflow.cores or 2) // 2)


def quarter_of_cores(wildcards):
    """Return the threads of a job that runs beside its like: many jobs of few threads use cores best."""
    return max(1, (workflow.cores or 4) // 4)
