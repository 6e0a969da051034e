"""
The studies of this run, read and checked once: 'inputs' gives what a rule reads as a function of its wildcards.

Logic lives in the package src/encoder_compression; here wildcards become its arguments.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("encoder_compression") is None:
    remedy = "pip install --no-deps --no-build-isolation --editable ."
    sys.exit(f"Error: this environment has no package encoder_compression; run 'make .venv/ready', or in another one: {remedy}")

from encoder_compression.cluster.queue import refuse_orphans
from encoder_compression.config import frozen, load, references
from encoder_compression.errors import UserError
from encoder_compression.run import environment, gpu, locks
from encoder_compression.study import folds, targets
from encoder_compression.study.rule_inputs import Inputs
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES

ROOT = Path(workflow.basedir)

try:
    environment.require_linux()
    environment.require_package_of(ROOT)
    # Inherited by every job; C libraries read them when a process starts.
    environment.apply_process_settings()
    environment.quote_interpreter()
    locks.release_after_kill()
    if workflow.is_main_process:
        frozen.freeze(load.of_run(config, given=workflow.config_settings.config, files=workflow.config_settings.configfiles, root=ROOT))
    experiments = frozen.recall()
    if not workflow.is_main_process:  # a job of a cluster, on the node that it was given
        gpu.require_fit(experiments)
    studies = {name: Study(name, options) for name, options in experiments.items()}
    references.check_references(studies)
    studies = folds.with_folds(studies)
    # Snakemake shows its targets to no Snakefile; a chain with a typo should say so and not "missing rule".
    for argument in sys.argv[1:]:
        targets.check_target(argument, studies)
except UserError as error:
    sys.exit(f"Error: {error}")

inputs = Inputs(studies)


onstart:
    try:
        refuse_orphans()
        if workflow.local_exec:
            gpu.require_fit(experiments)
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
    step=targets.searched_pattern(studies),
    worker=r"[1-9]\d*",


def share_of_cores(share):
    """Return the threads of a rule: this share of the run's cores, one at least, or what a profile's set-threads has for "default"."""
    # On a cluster the run has no cores of which a job could have a share.
    by_share = lambda wildcards: max(1, int((workflow.cores or 1) * share))
    return workflow.resource_settings.overwrite_threads.get("default", by_share)
