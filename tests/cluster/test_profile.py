"""What the jobs of a study ask for by the profile for SLURM, its block edited for GPUs: by a dry run of Snakemake itself."""

import json
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT, Workspace
from encoder_compression.study.techniques import TECHNIQUES

pytestmark = pytest.mark.slow

PROFILE = "profiles/slurm/config.yaml"
SITE = """\
  slurm_partition: gpu
  gpu: 2
  constraint: a100
  nodes: 3
  tasks: 3
  mpi: srun
  tasks_per_gpu: 0
  processes: 2
  runtime: min(240"""
INVENTED = """

rule invented:
    output:
        "invented",
    threads: share_of_cores(1 / 4)
    shell:
        "touch {output}"
"""
LIST = """
import json, sys
from encoder_compression.planning.dryrun import list_jobs
jobs, _ = list_jobs(["--profile", "profiles/slurm", "--cores", "1024", "--config", "experiments=[tiny]", "--", *sys.argv[1:]])
print(json.dumps({job.rule: job.resources | {"threads": job.threads} for job in jobs}))
"""
NAMES = ("slurm_partition", "runtime", "mem_mb", "slurm_extra", "threads", "gpu", "constraint", "nodes", "tasks", "mpi", "processes")
TRAINING = ("gpu", 240, 16000, "--signal=TERM@120", 8, 2, "a100", 3, 3, "srun", 2)
SHORT = ("cpu", 30, 8000, None, 1, None, None, None, None, None, None)
MEASURING = ("cpu", 30, 8000, "--exclusive", 8, 0, None, None, None, None, None)


@pytest.fixture(scope="module")
def requests(tmp_path_factory) -> dict[str, tuple]:
    """Return what a job of each rule asks for, in the order of NAMES."""
    workspace = Workspace(tmp_path_factory.mktemp("profile"))
    workspace.edit(PROFILE, "  slurm_partition: cpu\n  runtime: min(240", SITE)
    workspace.edit(PROFILE, "set-threads:\n", "set-threads:\n  prune: 16\n")
    workspace.edit(PROFILE, "  export_openvino: *short\n", "  export_openvino: *short\n  lora: {<<: *plain, gpu: 1}\n")
    workspace.edit("Snakefile", "\n\nrule all:", f"{INVENTED}\n\nrule all:")
    workspace.edit("config/experiments/tiny.yaml", "measure:", "processes: [1, 2]\nmeasure:")
    command = [sys.executable, "-c", LIST, "all", "invented", "results/tiny/teacher/seed1/structure_times/cpu-pytorch/times.json"]
    done = subprocess.run(command, cwd=workspace.folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return {rule: tuple(map(resources.get, NAMES)) for rule, resources in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize("rule", ["finetune", "distill", "shrink", "qat", "predict_soft_targets", "predict_unlabelled_targets"])
def test_training_has_the_gpus_the_time_and_the_threads_that_the_profile_gives_by_default(requests, rule):
    assert requests[rule] == TRAINING


def test_a_rule_that_the_profile_does_not_name_has_what_training_has(requests):
    assert requests["invented"] == TRAINING


def test_the_profile_can_give_a_rule_other_threads(requests):
    assert requests["prune"] == ("gpu", 240, 16000, "--signal=TERM@120", 16, 2, "a100", 3, 3, "srun", 2)


def test_the_profile_can_give_a_rule_fewer_gpus_and_one_node(requests):
    assert requests["lora"] == ("gpu", 240, 16000, "--signal=TERM@120", 8, 1, None, None, None, None, None)


@pytest.mark.parametrize(
    "rule", ["export", "export_openvino", "quantize", "quantize_openvino", "compress", "summarize", "plot", "prepare_dataset"]
)
def test_a_short_job_has_nothing_of_training(requests, rule):
    assert requests[rule] == SHORT


@pytest.mark.parametrize("rule", ["measure", "time_structures", "time_processes", "profile", "deliver"])
def test_measuring_has_a_node_to_itself_and_on_a_processor_no_gpu(requests, rule):
    assert requests[rule] == MEASURING


def test_the_profile_names_no_technique_but_that_whose_jobs_are_shared_with_exports():
    profile = yaml.safe_load((ROOT / PROFILE).read_text(encoding="utf-8"))
    assert (set(profile["set-resources"]) | set(profile["set-threads"])) & set(TECHNIQUES) == {"quantize"}
