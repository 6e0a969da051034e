"""A script of the workflow that trains: its goal, the options that a search found, and its processes. Imports no torch by itself."""

import json
from pathlib import Path

from encoder_compression.run.jobs import title
from encoder_compression.study.chain import Chain
from encoder_compression.study.controls import taken
from encoder_compression.study.nested import put
from encoder_compression.study.techniques import TECHNIQUES


def train(technique, snakemake, **arguments) -> dict:
    """Call a technique that trains, with the goal of the job, and return its facts: here, or in as many processes as the job has.

    On each of its "nodes" they are its resource "processes", else one for each of its GPUs. Options that a search found take the
    place of the step's own, and stand with the cost of the search among the facts.
    """
    searched = _searched(technique.__name__, snakemake)
    arguments["options"] = put(arguments["options"], searched.get("options", {}))
    return _train(technique, snakemake, **arguments) | ({"searched": searched} if searched else {})


def _searched(technique: str, snakemake) -> dict:
    """Return what a search found for the job's step, with what it took and its folds, if any; nothing where there was none."""
    best = snakemake.input.get("best")
    if not best:
        return {}
    best_trial = json.loads(Path(best).read_text(encoding="utf-8"))
    step = Chain(snakemake.wildcards.variant).last
    options = taken(step, TECHNIQUES[technique], best_trial["options"])
    return {name: best_trial[name] for name in ("trials", "seconds", "folds", "examples") if name in best_trial} | {"options": options}


def _train(technique, snakemake, **arguments) -> dict:
    resources = snakemake.resources
    nodes, processes = resources.get("nodes") or 1, resources.get("processes") or resources.get("gpu") or 1
    if nodes * processes == 1:
        return technique(goal=goal(snakemake), **arguments)
    from encoder_compression.training.distributed import launch

    return launch(technique, nodes=nodes, processes=processes, threads=snakemake.threads, goal=goal(snakemake), **arguments)


def goal(snakemake):
    """Return what a training job trains for."""
    from encoder_compression.training.train import Goal  # which imports torch, and that belongs in the frame of a job

    return Goal(
        dataset=Path(snakemake.input.dataset),
        metric=snakemake.params.metric,
        seed=int(snakemake.wildcards.get("seed", snakemake.params.get("seed"))),  # a search is for all seeds and names its own
        name=title(snakemake),
    )
