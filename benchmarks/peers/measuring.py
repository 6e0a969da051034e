"""All candidates on the same texts in turns: each in a process of its own, one thread, one text at a time."""

import random
from contextlib import ExitStack
from os import sched_getaffinity

import numpy as np

from encoder_compression.errors import UserError
from encoder_compression.measurement.foreign_load import ForeignLoad
from peers.making import Failed
from peers.remote import Worker

DIGITS = 5  # of what is saved


def measure(workers: dict[str, Worker], reference: str, texts: list[str], warmup: list[str], *, launches: int, rounds: int) -> dict:
    """Return what each candidate's starts gave, or its error; "foreign_load" is the share of the machine that other programs took.

    ``labels`` are those of the first start, ``changed`` counts those that were others in a later one.
    """
    draw = random.Random(0)
    starts = [_launch(workers, reference, texts, warmup, rounds=rounds, draw=draw) for _ in range(launches)]
    loads = [start.pop("foreign_load") for start in starts]
    return {"foreign_load": loads, "candidates": {name: _joined([start[name] for start in starts]) for name in workers}}


def _joined(starts: list[dict]) -> dict:
    errors = [start["error"] for start in starts if "error" in start]
    if errors:
        return {"error": errors[0]}
    labels = starts[0]["labels"]
    changed = max(sum(before != after for before, after in zip(labels, start["labels"], strict=True)) for start in starts)
    largest = {name: max(start[name] for start in starts) for name in ("mb", "memory_mb")}
    kept = [{name: start[name] for name in ("ratios", "ms")} for start in starts]
    return largest | {"labels": labels, "changed": changed, "starts": kept}


def _launch(workers: dict[str, Worker], reference: str, texts: list[str], warmup: list[str], *, rounds: int, draw: random.Random) -> dict:
    """Start all candidates afresh and let them take turns on the texts; returns what each one gave, or its error."""
    with ExitStack() as stack:
        for worker in workers.values():
            stack.enter_context(worker)  # they load side by side
        states = {name: _try(_ready, worker, warmup) for name, worker in workers.items()}
        if "error" in states[reference]:
            raise UserError(f"{reference}: {states[reference]['error']}; nothing can be compared without it")
        alive = [name for name in workers if "error" not in states[name]]
        load = ForeignLoad([workers[name] for name in alive])
        answers: dict[str, list[dict]] = {name: [] for name in alive}
        for part in np.array_split(np.array(texts, dtype=object), rounds):
            for name in draw.sample(alive, len(alive)):
                answers[name].append(_try(workers[name].ask, part.tolist()))
        return (
            states | {name: states[name] | summarize(answers[name], answers[reference]) for name in alive} | {"foreign_load": load.share()}
        )


def _ready(worker: Worker, warmup: list[str]) -> dict:
    size = worker.loaded(min(sched_getaffinity(0)))
    worker.ask(warmup)
    return {"mb": size}


def _try(ask, *arguments) -> dict:
    try:
        return ask(*arguments)
    except Failed as failure:
        return {"error": str(failure)}


def summarize(answers: list[dict], reference: list[dict]) -> dict:
    """Return what rounds of answers tell beside those of the reference on the same texts, or the first error.

    ``ratios`` holds a log ratio per round, the median over its texts: of whole calls by ``processor`` and by ``wall``, and of the
    ``model`` alone, without tokenization, by the processor's clock. A round's first call, which comes after all other candidates ran,
    is none of these, but ``first``. ``ms`` are medians over all texts.
    """
    errors = [timed["error"] for timed in answers if "error" in timed]
    if errors:
        return {"error": errors[0]}
    rounds = [_log_ratios(timed, beside) for timed, beside in zip(answers, reference, strict=True)]
    ratios = {name: [round(float(np.median(logs[name][1:])), DIGITS) for logs in rounds] for name in rounds[0]}
    first = [round(float(logs["processor"][0]), DIGITS) for logs in rounds]
    labels = [label for timed in answers for label in timed["labels"]]
    return {"labels": labels, "ratios": ratios | {"first": first}, "ms": _medians(answers), "memory_mb": round(answers[-1]["peak_mb"], 1)}


def _log_ratios(timed: dict, reference: dict) -> dict[str, np.ndarray]:
    """Return per clock the log of the reference's seconds over the candidate's, of each call of a round."""
    sides = [{name: np.array(side[name]) for name in ("processor", "wall")} for side in (reference, timed)]
    if timed["tokens_processor"][0] is not None:
        for side, run in zip(sides, (reference, timed), strict=True):
            side["model"] = side["processor"] - np.array(run["tokens_processor"])
    return {name: np.log(sides[0][name] / sides[1][name]) for name in sides[1]}


def _medians(answers: list[dict]) -> dict[str, float]:
    names = [name for name in ("processor", "wall", "tokens_processor") if answers[0][name][0] is not None]
    return {name: round(1000 * float(np.median(np.concatenate([timed[name] for timed in answers]))), DIGITS) for name in names}
