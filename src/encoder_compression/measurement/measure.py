"""Measure one variant on one device, in turns with the partner that its speed is compared with."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.errors import UserError
from encoder_compression.export import contents, shapes
from encoder_compression.measurement import noise, shared
from encoder_compression.measurement.energy import EnergyCounter
from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.measurement.remote import RemoteWorker, started, starting
from encoder_compression.measurement.rounds import ask_in_turn, fresh_calls, take_turns
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
    timed_as: Path | None,
    measurement: Path,
    predictions: Path,
    name: str,
) -> dict:
    """Write raw timings, memory and size to ``measurement`` and the test predictions to ``predictions``.

    ``device`` holds runtime, hardware and threads; ``partner`` is the (artifact, device, data set) timed in turns with the
    variant on the same examples, each in a process of its own, or None for the baseline. The data sets hold the same
    examples, in the pieces of each one's vocabulary. Both start afresh
    ``options["launches"]`` times: what differs between two starts of one program is part of the noise. The first start also runs
    batches, the grid and calls with empty caches, and predicts while the processes of the second one load. Returns facts.

    ``timed_as`` is the measurement of a row that should have the same graph, shapes and number formats. Where it has, its times are
    taken over, and only predictions, size and proof are the row's own.
    """
    artifact, dataset, digest = Path(artifact), Path(dataset), shapes.digest(artifact)
    times = shared.times(timed_as, digest=digest, device=device, partner=partner and partner[0]) if timed_as else None
    if times:
        predicted, facts = _predict_alone(artifact, device, dataset, options, times, name)
    else:
        predicted, facts = _measure(artifact, device, partner, dataset, options, name)
    parquet.write_table(pa.table(predicted), predictions)
    Path(measurement).write_text(json.dumps(facts | {"device": device, "shapes": digest}) + "\n", encoding="utf-8")
    if partner is None:  # the baseline
        progress.say(noise.line(name, facts["launches"], device))
    largest = max(launch["foreign_cpu_share"] for launch in facts["launches"])
    return {"launches": len(facts["launches"]), "largest_foreign_cpu_share": largest, "timed_as": facts["timed_as"]}


def _predict_alone(artifact: Path, device: dict, dataset: Path, options: dict, times: dict, name: str) -> tuple[dict, dict]:
    """Return the predictions of an artifact whose ``times`` another one has told, and all facts of its row."""
    with progress.bar(1, description=name, unit="part") as bar, started([(artifact, device, dataset)], split="test") as (subject,):
        facts = subject.ask("facts")
        predicted, untimed = _predict_once(subject, artifact, dataset, options, _best_batch_size(times["throughput"]))
        bar.update()
    _require_proof(untimed, device)
    return predicted, facts | untimed | times


def _measure(
    artifact: Path, device: dict, partner: tuple[Path, dict, Path] | None, dataset: Path, options: dict, name: str
) -> tuple[dict, dict]:
    """Return the predictions of an artifact, and all facts of its row."""
    sides = [(artifact, device, dataset), *([partner] if partner else [])]
    with progress.bar(options["launches"] * options["rounds"] + 1, description=name, unit="round") as bar, ExitStack() as stack:
        with started(sides, split="test") as workers:
            launches = [_launch(workers, options, 0, bar)]
            once = _time_once(workers, options, tasks.describe(dataset)["max_length"])
            next_workers = stack.enter_context(starting(sides, split="test"))  # what follows is not timed, so they load meanwhile
            predicted, untimed = _predict_once(workers[0], artifact, dataset, options, _best_batch_size(once["throughput"]))
            bar.update()
        _require_proof(untimed, device)
        launches.append(_launch(next_workers, options, 1, bar))
        stack.close()
        for number in range(2, options["launches"]):
            with started(sides, split="test") as workers:
                launches.append(_launch(workers, options, number, bar))
    return predicted, once | untimed | {"launches": launches, "timed_as": None}


def _launch(workers: list[RemoteWorker], options: dict, number: int, bar) -> dict:
    """Return the rounds of a start, how well they tell the ratio, and the share of processor time that others took."""
    for worker in workers:
        worker.wait_until_loaded()
    load = ForeignLoad(workers)
    return take_turns(workers, options, number, bar) | {"foreign_cpu_share": load.share()}


def _time_once(workers: list[RemoteWorker], options: dict, longest: int) -> dict:
    """Return what one start can tell by its clock: throughput, memory, grid, and calls with empty caches."""
    facts = _measure_throughput(workers[0], **options["throughput"]) | workers[0].ask("facts")
    return facts | {"grid": _measure_grid(workers, options["grid"], longest), "fresh": fresh_calls(workers, options)}


def _predict_once(subject: RemoteWorker, artifact: Path, dataset: Path, options: dict, batch_size: int) -> tuple[dict, dict]:
    """Return the predictions on the test split, and what needs no clock: how batches move logits, thresholds, size, proof."""
    with ThreadPoolExecutor(1) as pool:
        described = pool.submit(contents.describe, artifact)
        predicted, tuned = _predict(subject, dataset, options, batch_size)
        return predicted, tuned | described.result() | {"proof": subject.ask("proof")}


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
        subject.ask("throughput", batch_size=size, examples=examples)
    energy = EnergyCounter()
    throughputs = [{"batch_size": size, **subject.ask("throughput", batch_size=size, examples=examples)} for size in batch_sizes]
    joules = energy.joules()
    padded = subject.ask("padded_throughput", batch_size=batch_sizes[0], examples=examples)["seconds"]
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
            turns = [ask_in_turn(workers, number, "block", **shape, calls=1) for number in range(grid["calls"])]
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
