"""Rounds in which a variant and its partner take turns on the same examples, until their ratio is known well enough."""

import math

from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.statistics import ratios

FRESH_CALLS = 30


def take_turns(workers: list[RemoteWorker], options: dict, launch: int, bar) -> dict:
    """Return the "rounds" of a start, and "ratio_half_width": how well they tell the ratio, None of a variant without a partner.

    Each round holds the latencies of the variant and of its partner on the same examples; who goes first alternates. After
    the fewest rounds they go on until the half width is within the precision, or this start's share of the seconds is used up.
    """
    for worker in workers:
        worker.ask("latency", first=0, calls=options["warmup_calls"])
    clock = ratios.clock_of(workers[0].load["device"])
    calls = math.ceil(options["calls"] / options["launches"] / options["rounds"])
    rounds: list[dict] = []
    while not _is_enough(rounds, clock, options):
        first = options["warmup_calls"] + (launch * options["rounds"] + len(rounds)) * calls
        rounds.append(ask_in_turn(workers, len(rounds), "latency", first=first, calls=calls))
        bar.update(len(rounds) <= options["rounds"])
    return {"rounds": rounds, "ratio_half_width": ratios.half_width(rounds, clock) if len(workers) > 1 else None}


def _is_enough(rounds: list[dict], clock: str, options: dict) -> bool:
    """Say whether a start needs no further round."""
    if len(rounds) < options["rounds"]:
        return False
    if not ratios.has_partner(rounds[0]):
        return True
    seconds = sum(sum(timed[side]) for timed in rounds for side in ("latencies_ms", "partner_latencies_ms")) / 1000
    return seconds >= options["seconds"] / options["launches"] or ratios.half_width(rounds, clock) <= options["precision"]


def fresh_calls(workers: list[RemoteWorker], options: dict) -> dict:
    """Return latencies of single examples as in a round, each after another program ran and emptied the processor's caches."""
    first = options["warmup_calls"] + options["calls"]
    calls = [ask_in_turn(workers, number, "fresh", first=first + number) for number in range(FRESH_CALLS)]
    return {name: [call[name][0] for call in calls] if values else None for name, values in calls[0].items()}


def ask_in_turn(workers: list[RemoteWorker], number: int, command: str, **arguments) -> dict:
    """Return what a command timed of the variant, and of its partner as "partner_…" (None where it has none), the first one by turns."""
    turn = workers if number % 2 else workers[::-1]
    answers = {id(worker): worker.ask(command, **arguments) for worker in turn}
    subject, *partners = (answers[id(worker)] for worker in workers)
    partner = partners[0] if partners else dict.fromkeys(subject)
    return subject | {f"{ratios.PARTNER}{name}": values for name, values in partner.items()}
