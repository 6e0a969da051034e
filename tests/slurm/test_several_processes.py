"""One training in several processes, on one node and on two, as the profile says; the script knows nothing of SLURM."""

import pytest
from cluster_workspace import PROFILE, TRAINED, ClusterWorkspace, needs_cluster

import cluster

pytestmark = [*needs_cluster, pytest.mark.timeout(1200)]

ONE_NODE = "  gpu: 2\n"
TWO_NODES = '  gres: "gpu:sim:1"\n  nodes: 2\n  tasks: 2\n  mpi: srun\n  tasks_per_gpu: 0\n  processes: 2\n'


def train(folder, resources: str) -> ClusterWorkspace:
    workspace = ClusterWorkspace(folder)
    workspace.edit(PROFILE, "  gpu: 1\n", resources)
    workspace.finish(workspace.start(TRAINED))
    return workspace


def nodes_of(workspace: ClusterWorkspace) -> list[str]:
    rows = cluster.output("sacct", "-X", "-n", "-P", "--starttime=now-1hour", "--format=NodeList,WorkDir").splitlines()
    return [nodes for nodes, folder in (row.split("|") for row in rows) if folder == str(workspace.folder)]


def test_each_gpu_of_a_node_gets_a_process(tmp_path):
    assert train(tmp_path, ONE_NODE).facts()["processes"] == 2


def test_two_nodes_train_one_model(tmp_path):
    workspace = train(tmp_path, TWO_NODES)
    assert nodes_of(workspace) == ["gpu[1-2]"]
    assert workspace.facts()["processes"] == 4
