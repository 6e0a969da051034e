"""Students can learn from the mean of what the teachers of all seeds answer, and their cost is that of all of them."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet
from scipy.special import softmax

from conftest import Workspace
from encoder_compression.study.nested import merge
from encoder_compression.teaching.ensemble import average_soft_targets
from own_experiments import TINY, load_studies

OF_THREE = {"seeds": [1, 2, 3], "distill": {"even1": {"ensemble": True}}}


def averaged(folder, *members: list) -> list:
    for number, logits in enumerate(members):
        (folder / str(number)).mkdir()
        parquet.write_table(pa.table({"id": ["a", "b"], "logits": logits}), folder / str(number) / "logits.parquet")
    facts = average_soft_targets(members=[folder / str(number) for number in range(len(members))], output=folder / "mean")
    assert facts == {"members": len(members), "inputs": 2}
    table = parquet.read_table(folder / "mean" / "logits.parquet")
    assert table["id"].to_pylist() == ["a", "b"]
    return table["logits"].to_pylist()


def test_the_mean_of_logits_is_the_geometric_mean_of_what_they_say_of_classes(tmp_path):
    one, two = [[1.0, -1.0], [0.5, 3.0]], [[3.0, 0.0], [-0.5, 2.0]]
    product = np.sqrt(softmax(one, axis=-1) * softmax(two, axis=-1))
    assert softmax(averaged(tmp_path, one, two), axis=-1) == pytest.approx(product / product.sum(axis=-1, keepdims=True))


def test_places_where_no_answer_can_be_stay_impossible(tmp_path):
    """Questions have logits of starts and ends, as many as their window has tokens."""
    one = [[[1.0, -np.inf, 3.0], [0.0, -np.inf, 1.0]], [[1.0], [2.0]]]
    two = [[[2.0, -np.inf, 1.0], [2.0, -np.inf, 3.0]], [[3.0], [4.0]]]
    assert averaged(tmp_path, one, two) == [[[1.5, -np.inf, 2.0], [1.0, -np.inf, 2.0]], [[2.0], [3.0]]]


@pytest.fixture
def study(tmp_path):
    return load_studies(tmp_path, ["mine"], mine=merge(TINY, OF_THREE))["mine"]


def test_an_ensembles_logits_are_one_for_all_seeds_and_its_row_counts_every_teacher(study, tiny):
    assert study.targets("teacher+even1", 2, "soft_targets") == "results/mine/teacher/soft_targets"
    assert tiny.targets("teacher+even1", 2, "soft_targets") == "results/tiny/teacher/seed2/soft_targets"
    teachers = [f"results/mine/teacher/seed{seed}/model" for seed in (1, 2, 3)]
    assert trained_for(study, "teacher+even1") == {*teachers, "results/mine/teacher+even1/seed2/model"}
    assert trained_for(study, "teacher") == {teachers[1]}


def trained_for(study, variant: str) -> set[str]:
    """Return the models behind the variant's row of seed 2."""
    return {model for row in study.table_rows() if (row["variant"], row["seed"]) == (variant, 2) for model in row["trained"]}


def test_a_control_learns_from_no_ensemble(study):
    assert not study.learns_from_ensemble("teacher+even1-control")
    own = {f"results/mine/{chain}/seed2/model" for chain in ("teacher", "teacher+even1-control")}
    assert trained_for(study, "teacher+even1-control") == own


@pytest.mark.long
def test_the_workflow_averages_the_teachers_of_all_seeds_for_their_students(tmp_path):
    workspace = Workspace(tmp_path, experiment="mine")
    mine = {"extends": "tiny", **OF_THREE, "seeds": [1, 2]}
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(mine), encoding="utf-8")
    done = workspace.run("--cores", "2", "results/mine/teacher/soft_targets")
    assert done.returncode == 0, done.stdout + done.stderr
    folders = [workspace.folder / "results/mine/teacher" / part / "soft_targets" for part in ("seed1", "seed2", "")]
    one, two, mean = (np.array(parquet.read_table(folder / "logits.parquet")["logits"].to_pylist()) for folder in folders)
    assert (one != two).any()
    assert mean == pytest.approx((one + two) / 2, abs=1e-6)
    asked = workspace.run("-n", "--cores", "2", "results/mine/teacher+even1/seed2/model")
    means = "results/mine/teacher/soft_targets, results/mine/unlabelled, results/mine/teacher/unlabelled_targets"
    assert means in asked.stdout + asked.stderr
