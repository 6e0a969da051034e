"""A copy of the workflow whose profile is edited as a site edits it, on the cluster that 'make test-slurm' starts."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import cluster
from conftest import COMMAND, ROOT, Workspace

TRAINED = "results/cluster/teacher/seed1/model"
# The block "yours" of the profile, for the cluster of cluster.py: training on GPUs, measuring on quiet nodes.
SITE = {
    "slurm_account: default\n  slurm_partition: cpu\n": "slurm_account: project\n  slurm_partition: gpu\n  gpu: 1\n",
    "measure: &measuring\n": "measure: &measuring\n    constraint: \"{'cpu-pytorch': 'quiet'}.get(wildcards.device, 'plain')\"\n",
}
PROFILE = "profiles/slurm/config.yaml"


needs_cluster = [
    pytest.mark.slurm,
    pytest.mark.skipif(not cluster.is_running(), reason="no cluster of cluster.py runs: make test-slurm"),
]


class ClusterWorkspace(Workspace):
    """A workspace that runs Snakemake by the profile for SLURM."""

    def __init__(self, folder: Path):
        super().__init__(folder, experiment="cluster")
        shutil.copy(ROOT / "tests/data/cluster.yaml", folder / "config/experiments")
        for old, new in SITE.items():
            self.edit(PROFILE, old, new)
        self.log = folder / "run.log"

    def start(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen:
        """Start a run in the background; what it prints goes to its log."""
        command = [*before, *self.command("--profile", "profiles/slurm", *arguments)]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=self.log.open("a", encoding="utf-8"), stderr=subprocess.STDOUT, start_new_session=True
        )

    def slurm(self, name: str) -> subprocess.CompletedProcess:
        """Run the command encoder-compression slurm check or clean in the folder, as the Makefile does."""
        return subprocess.run([str(COMMAND), "slurm", name], cwd=self.folder, capture_output=True, encoding="utf-8")

    def jobs(self, state: str) -> list[str]:
        """Return the numbers of this folder's jobs in a state."""
        rows = [line.split("|") for line in cluster.insist("squeue", "--noheader", "--states=all", "--format=%A|%T|%Z").splitlines()]
        return sorted((number for number, found, folder in rows if found == state and folder == str(self.folder)), key=int)

    def steps_trained(self) -> int:
        """Return the step of the newest checkpoint of the teacher."""
        folders = (self.folder / TRAINED).parent.glob("checkpoints/checkpoint-*")
        return max((int(path.name.rpartition("-")[2]) for path in folders), default=0)

    def wait_for_step(self, step: int, run: subprocess.Popen) -> None:
        """Return once the teacher's training has a checkpoint of that step or later."""
        wait = cluster.wait_until
        wait(lambda: self.steps_trained() >= step or run.poll() is not None, seconds=900, what=f"no checkpoint of step {step}")
        assert run.poll() is None, self.log.read_text(encoding="utf-8")[-3000:]

    def finish(self, run: subprocess.Popen) -> str:
        """Wait for the run's good end; returns its log."""
        assert run.wait(timeout=1800) == 0, self.log.read_text(encoding="utf-8")[-6000:]
        return self.log.read_text(encoding="utf-8")

    def facts(self) -> dict:
        """Return what the teacher's training recorded."""
        return json.loads((self.folder / TRAINED / "provenance.json").read_text(encoding="utf-8"))["facts"]
