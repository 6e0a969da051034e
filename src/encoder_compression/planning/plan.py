"""
What a run would cost: encoder-compression plan, with the arguments of snakemake.

A dry run tells the jobs. What they cost is told by the provenance of artifacts that are there, each by its own or else by
the median of the same rule in the same experiment, such as another seed's or fold's; where there is none it is said to be unknown.
"""

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.config import frozen
from encoder_compression.planning.dryrun import Job, list_jobs
from encoder_compression.planning.gres import count_gpus
from encoder_compression.run import provenance
from encoder_compression.study.folds import whole_of

ROW = "{:<27}{:>6}{:>9}{:>9}{:>18}{:>11}{:>10}".format
HEAD = ROW("rule", "jobs", "unknown", "hours", "processor hours", "GPU hours", "disk MB")
DOWNLOADED = ("hub", "package")


@dataclass(frozen=True)
class Cost:
    """What a job took or would take: seconds of its script, bytes of its outputs."""

    seconds: float
    size: int


def estimate(jobs: list[Job], known: list[Job]) -> list[tuple[Job, Cost | None]]:
    """Return each of the jobs with its expected cost, or None; ``known`` are jobs whose outputs may be there."""
    costs: dict[tuple, list[Cost]] = {}
    for job in known:
        cost = recorded(job)
        if cost:
            costs.setdefault(_like(job), []).append(cost)
    return [(job, recorded(job) or _median(costs.get(_like(job), []))) for job in jobs]


def _like(job: Job) -> tuple[str, str | None]:
    """Return what jobs that cost about the same share: rule and experiment, a fold counting as the whole one."""
    return job.rule, job.experiment and whole_of(job.experiment)


def recorded(job: Job) -> Cost | None:
    """Return what the job took when it made the outputs that are there, or None."""
    first = job.outputs[0]
    folder = first if first.is_dir() else first.parent
    if not first.exists() or not (folder / provenance.FILE_NAME).exists():
        return None
    return Cost(provenance.read(folder)["seconds"], sum(map(_size, job.outputs)))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _median(costs: list[Cost]) -> Cost | None:
    if not costs:
        return None
    return Cost(statistics.median(cost.seconds for cost in costs), round(statistics.median(cost.size for cost in costs)))


def gpus(resources: dict) -> int:
    """Return how many GPUs a job asks for: ``gpu`` counts those of the job, ``gres: "gpu:2"`` those of each node."""
    return resources.get("gpu", 0) or count_gpus(str(resources.get("gres", "")), model="") * resources.get("nodes", 1)


def table(costs: list[tuple[Job, Cost | None]]) -> list[str]:
    """Return the lines of a table: a row per rule, and their total."""
    rules = list(dict.fromkeys(job.rule for job, _ in costs))
    groups = [(rule, [pair for pair in costs if pair[0].rule == rule]) for rule in rules]
    return [HEAD, *(_row(name, pairs) for name, pairs in [*groups, ("total", costs)])]


def _row(name: str, pairs: list[tuple[Job, Cost | None]]) -> str:
    known = [(job, cost) for job, cost in pairs if cost]
    if pairs and not known:
        return ROW(name, len(pairs), len(pairs), *"????")
    hours = [cost.seconds / 3600 for _, cost in known]
    of_processors = sum(hour * job.threads for hour, (job, _) in zip(hours, known, strict=True))
    of_gpus = sum(hour * gpus(job.resources) for hour, (job, _) in zip(hours, known, strict=True))
    size = sum(cost.size for _, cost in known) / 1e6
    figures = [f"{figure:.2f}" for figure in (sum(hours), of_processors, of_gpus)]
    return ROW(name, len(pairs), len(pairs) - len(known), *figures, f"{size:.0f}")


def downloads(jobs: list[Job], experiments: dict) -> list[str]:
    """Return what the jobs would fetch: a line per encoder or data set of the hub or the package index."""
    sections = {"prepare_encoder": "encoder", "prepare_dataset": "dataset", "prepare_unlabelled": "unlabelled"}
    wanted = [(job.experiment, sections[job.rule]) for job in jobs if job.rule in sections]
    return [
        f"{experiment}: {section} of the {kind}, {_name(experiments[experiment][section][kind])}"
        for experiment, section in wanted
        for kind in DOWNLOADED
        if kind in experiments[experiment][section]
    ]


def _name(source: dict) -> str:
    return f"{source.get('id', source.get('name'))} {source.get('revision', source.get('version'))}"


def print_plan(arguments: list[str]) -> None:
    """Print the jobs that ``snakemake`` with these arguments would run, their cost and what they would download."""
    jobs, groups = list_jobs(arguments)
    if not jobs:
        print("Nothing to be done.")
        return
    known, _ = list_jobs(["--forceall", *arguments])
    experiments = frozen.recall()
    costs = estimate(jobs, known)
    print(*table(costs), sep="\n")
    print("Hours are those of the scripts, one after another, on the machine that made the earlier artifacts.")
    if groups:
        alone = sum(not job.grouped for job in jobs)
        print(f"{alone + groups} jobs to start, {groups} of them groups; each takes some seconds more to start.")
    if any(cost is None for _, cost in costs):
        unknown = Counter(job.rule for job, cost in costs if cost is None)
        print("No earlier artifact tells of:", ", ".join(f"{count} {rule}" for rule, count in unknown.items()))
        print("They are known once one such job has run in the experiment, of any seed or step.")
    print("Downloads:", *(downloads(jobs, experiments) or ["none"]), sep="\n  ")
