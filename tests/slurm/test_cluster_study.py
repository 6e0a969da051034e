"""A study by the profile: every stage is a SLURM job where it is meant to be, and ends in tables."""

import json
import time

import pandas as pd
import pytest
from cluster_workspace import ClusterWorkspace, needs_cluster

import cluster

pytestmark = [*needs_cluster, pytest.mark.timeout(2400)]

# Per rule or group, as sacct knows it by the job's comment: the partition meant for it.
MEANT = {
    "rule_finetune": "gpu",
    "rule_predict_soft_targets": "gpu",
    "rule_distill": "gpu",
    "rule_shrink": "gpu",
    "rule_prune": "gpu",
    "rule_compress": "cpu",
    "rule_convert": "cpu",
    "rule_measure_cpu-pytorch": "cpu",
    "rule_measure_cpu-onnxruntime": "cpu",
    "rule_report": "cpu",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    workspace = ClusterWorkspace(tmp_path_factory.mktemp("study"))
    workspace.finish(workspace.start())
    return workspace


def accounts(workspace) -> pd.DataFrame:
    """Return what sacct tells of the folder's jobs."""
    fields = "JobIDRaw,Comment,Partition,State,NodeList,AllocTRES,Timelimit,WorkDir"
    rows = cluster.output("sacct", "-X", "-n", "-P", "--starttime=now-1hour", f"--format={fields}").splitlines()
    table = pd.DataFrame([row.split("|") for row in rows], columns=fields.split(","))
    return table[table["WorkDir"] == str(workspace.folder)]


def test_it_ends_in_tables(study):
    table = pd.read_csv(study.folder / "results/cluster/summary.csv")
    assert set(table["variant"]) == {"teacher+even1", "teacher+width40", "teacher+magnitude60", "teacher+int8"}
    assert (study.folder / "results/cluster/report.html").exists()


def test_every_stage_ran_once_as_a_slurm_job_on_the_partition_meant_for_it(study):
    table = accounts(study)
    assert set(table["State"]) == {"COMPLETED"}
    found = {(stage, row.Partition) for row in table.itertuples() for stage in MEANT if row.Comment.startswith(stage)}
    assert found == set(MEANT.items())
    assert not table["Comment"].str.contains("prepare").any(), "what needs the internet runs where Snakemake runs"
    assert table["Comment"].is_unique or table[table["Comment"].duplicated()]["Comment"].str.contains("convert|measure").all()


def test_trainings_have_a_gpu_and_threads_and_each_device_is_measured_on_its_kind_of_node_alone(study):
    table = accounts(study)
    training = table["Comment"].str.match("rule_(finetune|predict_soft_targets|distill|shrink|prune)")
    measuring = table["Comment"].str.startswith("rule_measure")
    assert set(table[training]["AllocTRES"]) == {"billing=8,cpu=8,gres/gpu=1,mem=16000M,node=1"}
    assert not table[~training]["AllocTRES"].str.contains("gres").any()
    places = {(row.Comment.removeprefix("rule_measure_").removesuffix("_measure"), row.NodeList) for row in table[measuring].itertuples()}
    assert places == {("cpu-pytorch", "cpu2"), ("cpu-onnxruntime", "cpu1")}
    assert table[measuring]["AllocTRES"].str.contains("cpu=16").all(), "all processors of the node"


def test_measurements_of_a_group_take_turns(study):
    """A group asks for the memory of one measurement and the time of all, and its logs do not overlap."""
    files = (study.folder / "results/cluster").glob("*/seed1/cpu-pytorch/measurement.json")
    spans = []
    for file in files:
        seconds = json.loads((file.parent / "provenance.json").read_text(encoding="utf-8"))["seconds"]
        end = (file.parent / "provenance.json").stat().st_mtime
        spans.append((end - seconds, end))
    spans.sort()
    assert len(spans) == 4
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    table = accounts(study)
    groups = table[table["Comment"].str.startswith("rule_measure_cpu-pytorch")]
    assert set(groups["Timelimit"]) == {"02:00:00"}
    assert groups["AllocTRES"].str.contains("mem=8000M").all()


def test_a_second_run_has_nothing_to_do_within_ten_seconds(study):
    before = time.monotonic()
    run = study.start()
    assert run.wait(timeout=60) == 0
    assert time.monotonic() - before < 10
    assert "Nothing to be done" in study.log.read_text(encoding="utf-8")


def test_the_look_at_the_cluster_finds_that_the_profile_fits(study):
    looked = study.slurm("check")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert looked.stdout.endswith("The profile fits.\n")
