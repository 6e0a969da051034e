"""Where a call of a variant on a device spends its milliseconds and its memory, by the runtime's own profiler.

It runs in a process of its own: a measurement is never profiled, and a profile's times are none of the tables.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.measurement.operators import FORMATS, KINDS, OVERHEAD, kind_of, place_of
from encoder_compression.measurement.remote import RemoteWorker, started
from encoder_compression.run import environment, progress
from encoder_compression.runtimes.workload import Workload

SPLIT = "test"
INPUTS = {"short": 0.05, "median": 0.5, "long": 0.95}  # share of the examples that are no longer
WARMUP = 2  # calls under the profiler, in a process that has had its warm-up already
BETWEEN = {"name": "between operators", "node": "", "shapes": [], "formats": [], "bytes": None, "kind": OVERHEAD}
GROUPED = ["input", "name", "kind", "shapes", "number format", "place"]


def profile(*, artifact: Path, device: dict, dataset: Path, options: dict, output: Path, name: str) -> dict:
    """Write operators.csv, kinds.csv, profile.json and trace.json into ``output``; returns facts.

    Three examples of the test split run alone, at the 5th, 50th and 95th percentile of length. ``options`` is the section "measure"; each
    example has one start's share of its calls without the profiler and as many with it, in turns.
    """
    examples = _choose(Workload(Path(dataset), SPLIT))
    with started([(Path(artifact), device, Path(dataset))], split=SPLIT) as (worker,):
        load = ForeignLoad([worker])
        # before any profiler, which leaves memory behind
        peaks_mb = {title: _warm_up(worker, example, options)["peak_mb"] for title, example in examples.items()}
        profiles = {}
        with progress.bar(len(examples), description=name, unit="input") as bar:
            for title, example in examples.items():
                profiles[title] = _profile_example(worker, example, options)
                profiles[title]["facts"]["peak_mb"] = peaks_mb[title]
                bar.update()
        facts = {"foreign_cpu_share": load.share()} | worker.ask("facts")
    table = pd.concat([_table(title, profiled) for title, profiled in profiles.items()], ignore_index=True)
    _write(Path(output), table, profiles, {"device": device} | facts)
    return {"largest_foreign_cpu_share": facts["foreign_cpu_share"], "unknown_operators": _unknown(table)}


def _choose(workload: Workload) -> dict[str, int]:
    """Return the examples of a short, a median and a long input."""
    by_length = np.argsort(np.add.reduceat(workload.lengths, workload.first), kind="stable")
    return {title: int(by_length[round(share * (len(by_length) - 1))]) for title, share in INPUTS.items()}


def _profile_example(worker: RemoteWorker, example: int, options: dict) -> dict:
    """Return what `combine` makes of rounds of calls with the profiler and without."""
    _warm_up(worker, example, options)
    calls = math.ceil(options["calls"] / options["launches"] / options["rounds"])
    rounds = [
        worker.ask("repeat", example=example, calls=calls) | worker.ask("profile", example=example, warmup=WARMUP, calls=calls)
        for _ in range(options["rounds"])
    ]
    return combine(rounds, threads=worker.load["device"]["threads"])


def _warm_up(worker: RemoteWorker, example: int, options: dict) -> dict:
    return worker.ask("repeat", example=example, calls=options["warmup_calls"])


def combine(rounds: list[dict], *, threads: int) -> dict:
    """Return the operators of a call, which add up to the median call without the profiler, and "facts" of all rounds.

    What the operators leave of the call is the runtime's overhead. Operators that together take longer than the call are scaled down to it.
    """
    plain_ms, profiled_ms = (np.array([turn[name] for turn in rounds]) for name in ("latencies_ms", "profiled_ms"))
    operators = _relieve(_medians(rounds), profiler_ms=max(0.0, float(profiled_ms.min() - plain_ms.min())))
    latency_ms, operators_ms = float(np.median(plain_ms)), sum(operator["ms"] for operator in operators)
    processor_ms = 1000 * sum(turn["processor_seconds"] for turn in rounds) / plain_ms.size
    scale = min(1.0, latency_ms / operators_ms) if operators_ms else 1.0  # of none that takes as long as the profiler can tell
    scaled = [operator | {"ms": operator["ms"] * scale} for operator in operators]
    facts = {
        "tokens": int(np.prod(rounds[-1]["shape"])),
        "calls": plain_ms.size,
        "latency_ms": latency_ms,
        "operators_ms": operators_ms,
        "profiled_ms": float(np.median(profiled_ms)),
        "profiler_slowdown": float(np.median(profiled_ms)) / latency_ms,
        "processor_ms": processor_ms,
        "processor_use": processor_ms / (float(plain_ms.mean()) * threads),
    } | {name: rounds[-1][name] for name in ("allocated_peak_mb", "on_card") if name in rounds[-1]}
    return {"facts": facts, "operators": [*scaled, BETWEEN | {"ms": max(0.0, latency_ms - operators_ms)}], "trace": rounds[-1]["trace"]}


def _medians(rounds: list[dict]) -> list[dict]:
    """Return the operators of the last round with their median times over all rounds that ran as many."""
    last = rounds[-1]["operators"]
    alike = [turn["operators"] for turn in rounds if len(turn["operators"]) == len(last)]
    return [operator | {"ms": float(np.median([each["ms"] for each in same]))} for operator, *same in zip(last, *alike, strict=True)]


def _relieve(operators: list[dict], *, profiler_ms: float) -> list[dict]:
    """Return the operators without what recording the events within them took, of the ``profiler_ms`` that all events took alike."""
    cost_ms = profiler_ms / sum(1 + operator.get("events", 0) for operator in operators)
    return [operator | {"ms": max(0.0, operator["ms"] - cost_ms * operator.get("events", 0))} for operator in operators]


def _table(title: str, profiled: dict) -> pd.DataFrame:
    """Return the rows of operators.csv for an input: operators that are alike in a module are one row, the slowest first."""
    rows = pd.DataFrame([_row(title, operator) for operator in profiled["operators"]])
    sums = {"calls": "sum", "milliseconds": "sum", "allocated_kb": lambda column: column.sum(min_count=1)}
    table = rows.groupby(GROUPED, sort=False, as_index=False).agg(sums)
    table["share"] = table["milliseconds"] / profiled["facts"]["latency_ms"]
    return table.sort_values("milliseconds", ascending=False, kind="stable")


def _row(title: str, operator: dict) -> dict:
    place = operator.get("place", place_of(operator["node"]))
    named = {name: operator[name] for name in ("name", "node", "shapes", "formats")}
    return {
        "input": title,
        "name": operator["name"],
        "kind": operator.get("kind") or kind_of(**named, place=place),
        "shapes": " ".join("x".join(map(str, shape)) or "1" for shape in operator["shapes"]),
        "number format": " ".join(dict.fromkeys(FORMATS.get(name, name) for name in operator["formats"])),
        "place": place,
        "calls": 1,
        "milliseconds": operator["ms"],
        "allocated_kb": None if operator["bytes"] is None else operator["bytes"] / 1000,
    }


def _write(output: Path, table: pd.DataFrame, profiles: dict[str, dict], facts: dict) -> None:
    output.mkdir(parents=True, exist_ok=True)
    columns = ["input", "name", "kind", "calls", "share", "milliseconds", "shapes", "number format", "place", "allocated_kb"]
    table[columns].to_csv(output / "operators.csv", index=False, float_format="%.6g")
    kinds(table).to_csv(output / "kinds.csv", index=False, float_format="%.6g")
    described = facts | {"machine": environment.hardware(), "packages": environment.packages(), "unknown_operators": _unknown(table)}
    described |= {"inputs": {title: profiled["facts"] for title, profiled in profiles.items()}}
    (output / "profile.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    traced = {"traceEvents": [event for number, title in enumerate(profiles) for event in _traced(number, title, profiles[title])]}
    (output / "trace.json").write_text(json.dumps(traced) + "\n", encoding="utf-8")


def kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of kinds.csv, every kind of each input: calls, milliseconds, and the share of the call."""
    sums = table.groupby(["input", "kind"])[["calls", "milliseconds", "share"]].sum()
    every = pd.MultiIndex.from_product([table["input"].unique(), KINDS], names=["input", "kind"])
    return sums.reindex(every, fill_value=0).reset_index()


def _unknown(table: pd.DataFrame) -> list[str]:
    """Return the names of the operators whose kind is not known."""
    return sorted(table.loc[table["kind"] == "other", "name"].unique())


def _traced(number: int, title: str, profiled: dict) -> list[dict]:
    """Return the events of an input, under a process of its own that has its name."""
    name = f"{title} input, {profiled['facts']['tokens']} tokens"
    return [{"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}}] + [
        event | {"pid": number} for event in profiled["trace"]
    ]
