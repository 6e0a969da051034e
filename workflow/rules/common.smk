"""
The studies of this run, read and checked once, and the functions of wildcards that all rules use.

Logic lives in the package workflow/scripts/encoder_compression; here wildcards become its arguments.
"""

import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from encoder_compression import environment
from encoder_compression.configuration import load_experiments
from encoder_compression.errors import UserError
from encoder_compression.study import Study, check_target, steps_pattern

# Inherited by every job; C libraries read them when a process starts.
environment.apply_process_settings()

try:
    experiments = load_experiments(shared=config, config_folder=ROOT / "config", schema_folder=ROOT / "workflow" / "schemas")
    studies = {name: Study(name, options) for name, options in experiments.items()}
    # Snakemake shows its targets to no Snakefile; a chain with a typo should say so and not "missing rule".
    for argument in sys.argv[1:]:
        check_target(argument, studies)
except UserError as error:
    sys.exit(f"Error: {error}")


wildcard_constraints:
    experiment="|".join(studies),
    variant=r"[^/]+",
    seed=r"\d+",
    device="|".join(device for study in studies.values() for device in study.options["devices"]),


def section(name):
    """Return a function of wildcards that gives a section of the experiment's options."""

    def of_experiment(wildcards):
        return studies[wildcards.experiment].options[name]

    return of_experiment


def step_options(wildcards):
    """Return the options of the variant's last step."""
    return studies[wildcards.experiment].step_options(wildcards.variant)


def parent_model(wildcards):
    """Return the model that the variant's last step starts from."""
    study = studies[wildcards.experiment]
    return study.folder(study.parent(wildcards.variant), wildcards.seed, "model")


def parent_graph(wildcards):
    """Return the graph that the variant's last step starts from."""
    study = studies[wildcards.experiment]
    return study.folder(study.parent(wildcards.variant), wildcards.seed, "onnx")


def half_of_cores(wildcards):
    """Return the threads of a job that others wait for."""
    return max(1, (workflow.cores or 2) // 2)


def quarter_of_cores(wildcards):
    """Return the threads of a job that runs beside its like: many jobs of few threads use cores best."""
    return max(1, (workflow.cores or 4) // 4)
