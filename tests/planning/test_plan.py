"""What a run would cost is told from what earlier artifacts recorded, and said to be unknown where none did."""

import json
from pathlib import Path

import pytest

from encoder_compression.planning import plan
from encoder_compression.planning.dryrun import Job


def job(path: Path, rule: str = "finetune", experiment: str = "tiny", threads: int = 2, **resources) -> Job:
    return Job(rule=rule, experiment=experiment, outputs=[path], threads=threads, resources=resources, grouped=False)


def made(path: Path, seconds: float, size: int) -> Path:
    path.mkdir(parents=True)
    record = json.dumps({"seconds": seconds})
    (path / "provenance.json").write_text(record, encoding="utf-8")
    (path / "weights").write_bytes(bytes(size - len(record)))
    return path


def test_a_job_costs_what_it_did_or_else_the_median_of_its_rule_and_experiment(tmp_path):
    known = [job(made(tmp_path / f"seed{seed}", seconds, 1000 * seed)) for seed, seconds in ((1, 10.0), (2, 30.0), (3, 50.0))]
    again, new = known[0], job(tmp_path / "seed4")
    other_rule, other_experiment = job(tmp_path / "seed4", rule="distill"), job(tmp_path / "seed4", experiment="reviews")
    costs = dict((id(each), cost) for each, cost in plan.estimate([again, new, other_rule, other_experiment], [*known, new]))
    assert costs[id(again)] == plan.Cost(10, 1000)
    assert costs[id(new)] == plan.Cost(30, 2000)
    assert costs[id(other_rule)] is None and costs[id(other_experiment)] is None


def test_a_file_costs_what_its_folder_recorded(tmp_path):
    folder = made(tmp_path / "device", 5.0, 500)
    (folder / "measurement.json").write_bytes(bytes(70))
    assert plan.recorded(job(folder / "measurement.json")) == plan.Cost(5, 70)
    assert plan.recorded(job(folder / "missing.json")) is None


def test_the_table_adds_up_hours_processors_and_gpus(tmp_path):
    train, unknown = job(tmp_path, threads=4, gpu=2), job(tmp_path, rule="export")
    lines = plan.table([(train, plan.Cost(3600, 5_000_000)), (train, plan.Cost(1800, 5_000_000)), (unknown, None)])
    assert [line.split() for line in lines[1:]] == [
        ["finetune", "2", "0", "1.50", "6.00", "3.00", "10"],
        ["export", "1", "1", "?", "?", "?", "?"],
        ["total", "3", "1", "1.50", "6.00", "3.00", "10"],
    ]


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        ({}, 0),
        ({"gpu": 2}, 2),
        ({"gres": "gpu"}, 1),
        ({"gres": "gpu:4"}, 4),
        ({"gres": "gpu:a100:2", "nodes": 3}, 6),
        ({"gres": "disk:9"}, 0),
    ],
)
def test_gpus_are_counted_per_job_or_per_node(resources, count):
    assert plan.gpus(resources) == count


def test_downloads_are_named_with_their_pinned_version(tmp_path):
    experiments = {
        "mine": {"encoder": {"hub": {"id": "google/bert", "revision": "abc"}}, "dataset": {"files": {"train": "x.csv"}}},
        "other": {"encoder": {"random": {}}, "dataset": {"package": {"name": "vader", "version": "3"}}},
    }
    jobs = [job(tmp_path, rule=rule, experiment=name) for name in experiments for rule in ("prepare_encoder", "prepare_dataset", "measure")]
    assert plan.downloads(jobs, experiments) == ["mine: encoder of the hub, google/bert abc", "other: dataset of the package, vader 3"]


def test_a_job_in_a_fold_costs_what_such_jobs_of_the_whole_experiment_do(tmp_path):
    known = [job(made(tmp_path / "whole", 10.0, 1000))]
    (_, cost), (_, elsewhere) = plan.estimate(
        [job(tmp_path / "fold", experiment="tiny/folds/1of3"), job(tmp_path / "fold", experiment="other/folds/1of3")], known
    )
    assert cost == plan.Cost(10, 1000) and elsewhere is None
