"""Measure one variant on one device, in turns with the partner that its speed is compared with."""

import json
import math
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import parquet

from encoder_compression import progress
from encoder_compression.measurement import contents
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.measurement.workload import Workload


def measure(
    *,
    artifact: Path,
    device: dict,
    partner: tuple[Path, dict] | None,
    dataset: Path,
    options: dict,
    measurement: Path,
    predictions: Path,
    name: str,
) -> dict:
    """Write raw timings, memory and size to ``measurement`` and the test predictions to ``predictions``.

    ``device`` holds runtime, hardware and threads; ``partner`` is the (artifact, device) timed in turns with the
    variant on the same sentences, each in a process of its own, or None for the baseline. Returns facts.
    """
    artifact = Path(artifact)
    with ExitStack() as stack:
        subject = stack.enter_context(RemoteWorker(artifact=artifact, dataset=dataset, device=device))
        workers = [subject]
        if partner:
            workers.append(stack.enter_context(RemoteWorker(artifact=partner[0], dataset=dataset, device=partner[1])))
        for worker in workers:
            worker.wait_until_loaded()
        bar = stack.enter_context(progress.bar(options["rounds"] + 1, description=name, unit="round"))
        load = ForeignLoad(workers)
        rounds = _take_turns(workers, options, bar)
        predicted = subject.ask("predict", batch_size=options["batch_size"])
        facts = subject.ask("facts")
        foreign = load.share()
        bar.update()
    workload = Workload(Path(dataset))
    _write_predictions(predictions, workload, predicted["logits"])
    result = facts | {
        "device": device,
        "rounds": rounds,
        "predict_seconds": predicted["seconds"],
        "predict_batch_size": options["batch_size"],
        "sentences": len(workload.ids),
        "size_mb": contents.size_mb(artifact),
        "foreign_cpu_share": foreign,
        **contents.weights(artifact),
    }
    Path(measurement).write_text(json.dumps(result) + "\n")
    return {"foreign_cpu_share": foreign, "calls": sum(len(one["latencies_ms"]) for one in rounds)}


def _take_turns(workers: list[RemoteWorker], options: dict, bar) -> list[dict]:
    """Return per round the latencies of the variant and of its partner on the same sentences.

    Who goes first alternates. Rounds go on until the calls and the seconds asked for have both been reached.
    """
    for worker in workers:
        worker.ask("latency", first=0, calls=options["warmup_calls"])
    calls = math.ceil(options["calls"] / options["rounds"])
    rounds: list[dict] = []
    seconds = 0.0
    while len(rounds) < options["rounds"] or seconds < options["seconds"]:
        turn = workers if len(rounds) % 2 else workers[::-1]
        first = options["warmup_calls"] + len(rounds) * calls
        found = {id(worker): worker.ask("latency", first=first, calls=calls)["latencies_ms"] for worker in turn}
        mine, *partners = (found[id(worker)] for worker in workers)
        rounds.append({"latencies_ms": mine, "partner_latencies_ms": partners[0] if partners else None})
        seconds += sum(mine) / 1000
        bar.update(len(rounds) <= options["rounds"])
    return rounds


class ForeignLoad:
    """How much of the machine's processor time others took while workers were measured."""

    def __init__(self, workers: list[RemoteWorker]):
        self.processes = [psutil.Process(), *(psutil.Process(worker.process.pid) for worker in workers)]
        self.start = self._snapshot()

    def _snapshot(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)
        own = sum(sum(process.cpu_times()[:2]) for process in self.processes)
        return busy, own, time.monotonic()

    def share(self) -> float:
        """Return the busy time of other processes since the start, as a share of all processors' time."""
        (busy, own, now), (busy_then, own_then, then) = self._snapshot(), self.start
        foreign = (busy - busy_then) - (own - own_then)
        share = foreign / ((now - then) * psutil.cpu_count())
        return round(min(max(share, 0.0), 1.0), 4)  # the kernel counts in ticks, too coarse for a very short measurement


def _write_predictions(path: Path, workload: Workload, logits: list[list[float]]) -> None:
    classes = [max(range(len(row)), key=row.__getitem__) for row in logits]
    columns = {"id": workload.ids, "label": workload.labels, "prediction": classes, "logits": logits}
    parquet.write_table(pa.table(columns), path)
