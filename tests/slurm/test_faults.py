"""What goes wrong on a cluster costs time but no work: a training goes on from its checkpoint, and no job runs twice."""

import signal
import subprocess

import pytest
from cluster_workspace import PROFILE, TRAINED, ClusterWorkspace, needs_cluster

import cluster
from conftest import COMMAND
from encoder_compression.cluster import check

# Epochs of a training that is to be disturbed: a minute of it, as SLURM signals late and a busy machine is slow.
LONG = 500

pytestmark = [*needs_cluster, pytest.mark.timeout(2400)]


@pytest.fixture
def workspace(tmp_path):
    """A workspace, whose jobs are cancelled in the end."""
    workspace = ClusterWorkspace(tmp_path)
    yield workspace
    for state in ("RUNNING", "PENDING"):
        if workspace.jobs(state):
            cluster.insist("scancel", *workspace.jobs(state))


@pytest.fixture
def training(workspace):
    """Start a run that trains the teacher for long enough to be disturbed; killed if a test leaves it behind."""
    workspace.edit("config/experiments/cluster.yaml", "teacher: {training: {epochs: 1,", f"teacher: {{training: {{epochs: {LONG},")
    run = workspace.start(TRAINED)
    yield run
    if run.poll() is None:
        run.send_signal(signal.SIGKILL)


def attempts(workspace) -> dict[str, list[str]]:
    """Return the states that each SLURM job of the folder ended in, restarts included."""
    rows = cluster.insist("sacct", "-X", "-D", "-n", "-P", "--starttime=now-1hour", "--format=JobIDRaw,State,WorkDir").splitlines()
    found: dict[str, list[str]] = {}
    for number, state, folder in (row.split("|") for row in rows):
        if folder == str(workspace.folder):
            found.setdefault(number, []).append(state.split()[0])
    return found


def has_the_jobs(workspace, *states: list[str]) -> bool:
    cluster.wait_until(lambda: list(attempts(workspace).values()) == list(states), seconds=30, what=f"{attempts(workspace)}, not {states}")
    return True


def test_a_cancelled_training_is_told_and_goes_on(workspace, training):
    workspace.wait_for_step(10, training)
    cluster.insist("scancel", *workspace.jobs("RUNNING"))
    log = workspace.finish(training)
    assert "SLURM status is: 'CANCELLED'" in log
    assert "stopped by SIGTERM after step" in log, "the last lines of the job's log"
    assert workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["CANCELLED"], ["COMPLETED"])


def test_a_training_near_its_time_limit_saves_and_goes_on(workspace, training):
    workspace.wait_for_step(10, training)
    (number,) = workspace.jobs("RUNNING")
    spent = check.minutes(cluster.insist("squeue", "--noheader", f"--job={number}", "--format=%M").strip())
    cluster.insist("scontrol", "update", f"JobId={number}", f"TimeLimit={int(spent) + 2}")  # the signal comes 2 minutes before
    log = workspace.finish(training)
    assert "stopped by SIGTERM after step" in log
    assert workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["FAILED"], ["COMPLETED"])


def test_a_training_that_slurm_requeues_goes_on_in_the_same_job(workspace, training):
    workspace.wait_for_step(10, training)
    cluster.insist("scontrol", "requeue", *workspace.jobs("RUNNING"))
    workspace.finish(training)
    assert workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["REQUEUED", "COMPLETED"])


@pytest.mark.alone
def test_a_training_whose_node_dies_goes_on_elsewhere(workspace, training):
    workspace.wait_for_step(10, training)
    (number,) = workspace.jobs("RUNNING")
    node = cluster.insist("squeue", "--noheader", f"--job={number}", "--format=%N").strip()
    cluster.kill_node(node)
    try:
        workspace.finish(training)
    finally:
        cluster.start_node(node)
    assert workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["NODE_FAIL", "COMPLETED"])


@pytest.mark.alone
def test_a_run_outlives_the_controller(workspace, training):
    workspace.wait_for_step(10, training)
    cluster.kill("slurmctld", signal.SIGKILL)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            training.wait(timeout=20)
    finally:
        cluster.start_controller()
    workspace.finish(training)
    assert not workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["COMPLETED"])


def test_after_a_kill_nothing_runs_twice_and_nothing_is_lost(workspace, training):
    workspace.wait_for_step(10, training)
    refused = workspace.slurm("clean")
    assert refused.returncode == 1 and refused.stderr.startswith("Error: a run may still live"), "the run is no orphan"
    training.kill()
    training.wait()
    (orphan,) = workspace.jobs("RUNNING")
    refused = workspace.start(TRAINED)
    assert refused.wait(timeout=300) == 1
    assert (
        "Error: 1 SLURM jobs of a run that was killed still work in this folder; cancel them: make slurm-clean"
        in workspace.log.read_text(encoding="utf-8")
    )
    assert workspace.jobs("RUNNING") == [orphan]
    cleaned = workspace.slurm("clean")
    assert cleaned.returncode == 0 and cleaned.stdout.startswith("1 SLURM jobs cancelled"), cleaned.stderr
    workspace.finish(workspace.start(TRAINED))
    assert workspace.facts()["resumed"]
    assert has_the_jobs(workspace, ["CANCELLED"], ["COMPLETED"])


def test_an_edit_while_a_job_waits_changes_nothing_for_it(workspace, training):
    cluster.wait_until(lambda: workspace.jobs("PENDING") or workspace.jobs("RUNNING"), seconds=600, what="no job submitted")
    workspace.edit("config/experiments/cluster.yaml", f"epochs: {LONG},", "epochs: 2,")
    workspace.finish(training)
    curve = (workspace.folder / TRAINED).parent / "training.csv"
    assert float(curve.read_text(encoding="utf-8").splitlines()[-1].split(",")[1]) == LONG


def test_a_run_that_waits_on_nothing_is_ended(workspace):
    """By sacct the plugin never sees a cancelled job and waits for ever: that is why the profile asks squeue."""
    workspace.edit("config/experiments/cluster.yaml", "teacher: {training: {epochs: 1,", f"teacher: {{training: {{epochs: {LONG},")
    workspace.edit(PROFILE, "slurm-status-command: squeue", "slurm-status-command: sacct")
    run = workspace.start(TRAINED, before=(str(COMMAND), "slurm", "guard", "--idle-minutes", "0.5", "--"))
    workspace.wait_for_step(5, run)
    cluster.insist("scancel", *workspace.jobs("RUNNING"))
    assert run.wait(timeout=900) != 0
    assert "Error: the run waits on nothing" in workspace.log.read_text(encoding="utf-8")
