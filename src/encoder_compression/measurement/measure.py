"""Measure one variant on one device, in turns with the partner that its speed is compared with."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.errors import UserError
from encoder_compression.export import contents
from encoder_compression.measurement.energy import EnergyCounter
from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.measurement.remote import RemoteWorker, started
from encoder_compression.run import progress
from encoder_compression.statistics import recall

ROUNDING = 1e-4  # of the largest logit: what another order of sums may change
FLOATS = {"float32", "bfloat16", "float16"}
QUANTIZED = ("int8", "int4", "nf4", "fp4")  # formats of stored weights


def measure(
    *,
    artifact: Path,
    device: dict,
    partner: tuple[Path, dict, Path] | None,
    dataset: Path,
    options: dict,
    measurement: Path,
    predictions: Path,
    name: str,
) -> dict:
    """Write raw timings, memory and size to ``measurement`` and the test predictions to ``predictions``.

    ``device`` holds runtime, hardware and threads; ``partner`` is the (artifact, device, data set) timed in turns with the
    variant on the same examples, each in a process of its own, or None for the baseline. The data sets hold the same
    examples, in the pieces of each one's vocabulary. Both start afresh
    ``options["launches"]`` times: what differs between two starts of one program is part of the noise. The first start
    also predicts, and runs batches and the grid. Returns facts.
    """
    artifact, dataset = Path(artifact), Path(dataset)
    sides = [(artifact, device, dataset), *([partner] if partner else [])]
    launches: list[dict] = []
    with progress.bar(options["launches"] * options["rounds"] + 1, description=name, unit="round") as bar:
        for number in range(options["launches"]):
            with started(sides, split="test") as workers:
                load = ForeignLoad(workers)
                launches.append({"rounds": _take_turns(workers, options, number, bar), "foreign_cpu_share": load.share()})
                if number == 0:
                    predicted, once = _measure_once(workers, artifact, dataset, options)
                    bar.update()
    _require_proof(once, device)
    parquet.write_table(pa.table(predicted), predictions)
    result = once | {"device": device, "launches": launches}
    Path(measurement).write_text(json.dumps(result) + "\n", encoding="utf-8")
    return {"launches": len(launches), "largest_foreign_cpu_share": max(launch["foreign_cpu_share"] for launch in launches)}


def _take_turns(workers: list[RemoteWorker], options: dict, launch: int, bar) -> list[dict]:
    """Return per round the latencies of the variant and of its partner on the same examples.

    Who goes first alternates. Rounds go on until this launch's share of the calls and of the seconds has been reached.
    """
    for worker in workers:
        worker.ask("latency", first=0, calls=options["warmup_calls"])
    calls = math.ceil(options["calls"] / options["launches"] / options["rounds"])
    rounds: list[dict] = []
    seconds = 0.0
    while len(rounds) < options["rounds"] or seconds < options["seconds"] / options["launches"]:
        first = options["warmup_calls"] + (launch * options["rounds"] + len(rounds)) * calls
        rounds.append(_ask_in_turn(workers, len(rounds), "latency", first=first, calls=calls))
        seconds += sum(rounds[-1]["latencies_ms"]) / 1000
        bar.update(len(rounds) <= options["rounds"])
    return rounds


def _ask_in_turn(workers: list[RemoteWorker], number: int, command: str, **arguments) -> dict:
    """Return what a command timed of the variant, and of its partner as "partner_…" (None where it has none), the first one by turns."""
    turn = workers if number % 2 else workers[::-1]
    answers = {id(worker): worker.ask(command, **arguments) for worker in turn}
    subject, *partners = (answers[id(worker)] for worker in workers)
    partner = partners[0] if partners else dict.fromkeys(subject)
    return subject | {f"partner_{name}": values for name, values in partner.items()}


def _measure_once(workers: list[RemoteWorker], artifact: Path, dataset: Path, options: dict) -> tuple[dict, dict]:
    """Return the predictions on the test split, and what one start can tell: throughput, memory, size, grid, proof."""
    subject = workers[0]
    facts = _measure_throughput(subject, **options["throughput"]) | subject.ask("facts")
    with ThreadPoolExecutor(1) as pool:
        described = pool.submit(contents.describe, artifact)  # predictions are not timed, so a neighbour does no harm
        predicted, tuned = _predict(subject, dataset, options, _best_batch_size(facts["throughput"]))
        facts |= described.result() | tuned
    grid = _measure_grid(workers, options["grid"], tasks.describe(dataset)["max_length"])
    return predicted, facts | {"grid": grid, "proof": subject.ask("proof")}


def _best_batch_size(throughput: list[dict]) -> int:
    """Return the batch size of most examples per second."""
    return max(throughput, key=lambda at: at["examples"] / at["seconds"])["batch_size"]


def _predict(subject: RemoteWorker, dataset: Path, options: dict, batch_size: int) -> tuple[dict, dict]:
    """Return the predictions on the test split, one example at a time as latency is, and facts about them.

    Where batches of the best throughput move no logit by more than rounding does, theirs are taken, as they are sooner made; else the
    column "batched_prediction" holds theirs beside those of single examples. Facts are "batches_move_logits_by", and the
    thresholds that validation chose where the task has one, and where ``options["recall"]`` names a class and a false-positive rate.
    """
    task, description = tasks.of_dataset(dataset), tasks.describe(dataset)
    moved = subject.ask("batching", batch_size=batch_size)["moved"]
    size = batch_size if moved <= ROUNDING else None
    predicted, facts = subject.ask("predict", batch_size=size, split="test"), {"batches_move_logits_by": moved}
    batched = predicted if size else subject.ask("predict", batch_size=batch_size, split="test")
    if task.is_tuned(description) or "recall" in options:
        validation = subject.ask("predict", batch_size=size, split="validation")
    if "recall" in options:
        facts |= {"recall_threshold": recall.choose(validation, description, **options["recall"])}
    if task.is_tuned(description):
        (predicted, tuned), (batched, _) = (task.tune(each, validation, options["metric"]) for each in (predicted, batched))
        facts |= tuned
    return predicted if size else predicted | {"batched_prediction": batched["prediction"]}, facts


def _measure_throughput(subject: RemoteWorker, *, batch_sizes: list[int], examples: int) -> dict:
    """Return the seconds for so many examples by batch size, the energy of one where the machine counts it, and the price of padding.

    "padded_seconds" is what the same examples take at the first batch size when all are padded to the study's longest input.
    """
    for size in batch_sizes:  # not counted: a runtime has work of its own when a shape is new to it
        subject.ask("throughput", batch_size=size, examples=examples, padded=False)
    energy = EnergyCounter()
    throughputs = [
        {"batch_size": size, **subject.ask("throughput", batch_size=size, examples=examples, padded=False)} for size in batch_sizes
    ]
    joules = energy.joules()
    padded = subject.ask("throughput", batch_size=batch_sizes[0], examples=examples, padded=True)["seconds"]
    energy_j = joules and joules / sum(throughput["examples"] for throughput in throughputs)
    return {"throughput": throughputs, "padded_seconds": padded, "energy_j_per_example": energy_j}


def _measure_grid(workers: list[RemoteWorker], grid: dict, longest: int) -> list[dict]:
    """Return the latencies of full batches, by batch size and length, without lengths beyond the study's longest input."""
    cells = []
    for size in grid["batch_sizes"]:
        for length in (length for length in grid["lengths"] if length <= longest):
            shape = {"batch_size": size, "length": length}
            for worker in workers:
                worker.ask("block", **shape, calls=1)
            turns = [_ask_in_turn(workers, number, "block", **shape, calls=1) for number in range(grid["calls"])]
            partner = [turn["partner_latencies_ms"][0] for turn in turns] if len(workers) > 1 else None
            cells.append(shape | {"latencies_ms": [turn["latencies_ms"][0] for turn in turns], "partner_latencies_ms": partner})
    return cells


def _require_proof(proof_facts: dict, device: dict) -> None:
    """Raise UserError where the runtime did not run what the row claims."""
    proof, wanted = proof_facts["proof"], "cpu" if device["hardware"] == "cpu" else "cuda"
    elsewhere = {place: count for place, count in proof["nodes"].items() if not place.lower().startswith(wanted)}
    if elsewhere:
        raise UserError(f"the device asks for {wanted}, but the runtime ran {elsewhere} elsewhere; the row would be mislabelled")
    foreign_floats = FLOATS & set(proof["matmuls"]) - {device["precision"]}
    if foreign_floats:
        formats = ", ".join(sorted(foreign_floats))
        raise UserError(f"the device asks for {device['precision']}, but products ran in {formats}; the row would be mislabelled")
    if device["precision"] == "int8" and "int8" not in proof["matmuls"]:
        raise UserError("the device asks for int8, but no matrix product ran in it; the row would be mislabelled")
    if device.get("compile") and not proof["compiled"]:
        raise UserError("the device asks for compiled code, but none ran; the row would be mislabelled")
    stored = sum(proof_facts["dtypes"].get(name, 0) for name in QUANTIZED) / sum(proof_facts["dtypes"].values())
    if stored > 0.1 and not {"int8", "few-bit weights"} & set(proof["matmuls"]):
        raise UserError(
            "the weights are integers, but no matrix product ran with them; quantize on a machine like this one,"
            " with 'isa: auto' where the method has one"
        )
