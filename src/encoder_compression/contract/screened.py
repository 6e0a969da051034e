"""What screening told: of each chain its score on validation, its loss against the teacher, its costs."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.contract.candidates import TEACHER, Student
from encoder_compression.contract.clauses import Screened
from encoder_compression.data import tasks
from encoder_compression.reporting.rows import Row
from encoder_compression.run import provenance
from encoder_compression.statistics import ratios
from encoder_compression.statistics.differences import Sample, means
from encoder_compression.statistics.intervals import ALPHA
from encoder_compression.study.chain import Chain

SEED = 1


class Results:
    """The screened chains of an experiment: ``device`` is the one to be served on, ``baseline`` that of the teacher in PyTorch."""

    def __init__(self, experiment: str, *, device: str, baseline: str):
        self.experiment, self.device, self.baseline = experiment, device, baseline
        self._read: dict[Chain, Screened] = {}

    def target(self, chain: Chain, device: str | None = None) -> str:
        """Return the file that tells that a chain is screened."""
        return f"{chain.folder(self.experiment, SEED, device or self.device)}/screening/measurement.json"

    def has(self, chain: Chain) -> bool:
        """Say whether a chain is screened, to the last file that its job writes."""
        return (Path(self.target(chain)).parent / provenance.FILE_NAME).exists()

    def of(self, chain: Chain) -> Screened:
        """Return what screening told of a chain."""
        if chain not in self._read:
            self._read[chain] = self._screened(chain)
        return self._read[chain]

    def of_all(self, chains: list[Chain]) -> list[Screened]:
        """Return what screening told of those of the chains that are screened."""
        return [self.of(chain) for chain in chains if self.has(chain)]

    def seconds(self, chain: Chain, part: str = "model") -> float:
        """Return how long the job took that made an artifact of a chain."""
        return provenance.read(chain.folder(self.experiment, SEED, part))["seconds"]

    def teacher_is_no_better_than_constant(self) -> bool:
        """Say whether one answer to all of validation would score as well as the teacher does."""
        row, dataset = self._row(self.target(Chain(TEACHER), self.baseline)), Path("results") / self.experiment / "dataset"
        metric = provenance.read_facts(row.folder)["metric"]
        constant, _ = row.task.best_constant(row.labels, metric, tasks.describe(dataset))
        return row.score(metric) <= constant

    def _screened(self, chain: Chain) -> Screened:
        row, teacher = self._row(self.target(chain)), self._row(self.target(Chain(TEACHER), self.baseline))
        metric = provenance.read_facts(row.folder)["metric"]
        score, change = row.score(metric), row.replicates(metric) - teacher.replicates(metric)
        sample = Sample(np.array([score - teacher.score(metric)]), change[None], row.units)
        (mean,) = means([sample])
        costs = {"size_mb": row.measurement["size_mb"], "memory_mb": row.measurement["memory_run_mb"]}
        latency_ms = float(np.median(row.samples(ratios.clock_of(row.measurement["device"]))))
        return Screened(chain, score, sample.mean, mean.interval(2 * ALPHA)[0], latency_ms, **costs)

    def _row(self, target: str) -> Row:
        return Row(Path(target).parent, tasks.of_dataset(Path("results") / self.experiment / "dataset"))


def table(results: Results, chains: list[Chain], students: list[Student]) -> pd.DataFrame:
    """Return a row for each screened chain; "trained" are those that can be delivered, "predicted_ms" is what a student's shape took."""
    shapes = {student.chain: student.shape for student in students}
    scouts = {chain for student in students for chain in (student.shape, student.short)}
    rows = []
    for screened in results.of_all(chains):
        shape = shapes.get(screened.chain)
        predicted = results.of(shape).latency_ms if shape and results.has(shape) else None
        rows.append(asdict(screened) | {"trained": screened.chain not in scouts, "predicted_ms": predicted})
    return pd.DataFrame(rows).rename(columns={"chain": "variant"})
