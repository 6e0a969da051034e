"""Times that a row takes over from another one whose model has the same graph, shapes and number formats."""

import json
from pathlib import Path

from encoder_compression.run import environment, provenance
from encoder_compression.study.chain import place_of

TIMES = (
    "launches", "throughput", "padded_seconds", "energy_j_per_example", "grid", "fresh", "memory_load_mb", "memory_run_mb",
    "memory_of_runtime_mb", "cpu_seconds",
)  # fmt: skip


def times(timed_as: Path, *, digest: str, device: dict, partner: Path | None) -> dict | None:
    """Return the times and memory that the measurement ``timed_as`` holds, and "timed_as"; None where they are not this row's.

    ``digest`` is that of the row's artifact, by `shapes.digest`. Another machine or other packages give other times. A row that is
    timed as its own ``partner`` has no ratio to it but 1: its rounds have no partner.
    """
    measured, origin = json.loads(Path(timed_as).read_text(encoding="utf-8")), provenance.read(Path(timed_as).parent)
    same_place = (origin["hardware"], origin["packages"]) == (environment.hardware(), environment.packages())
    if not same_place or measured["device"] != device or measured["shapes"] != digest:
        return None
    taken = {name: measured[name] for name in TIMES} | {"timed_as": str(place_of(Path(timed_as).parent).chain)}
    return _without_partner(taken) if partner and Path(partner).parent == Path(timed_as).parent.parent else taken


def _without_partner(part):
    """Return saved times with all that was timed of the partner replaced by None."""
    if isinstance(part, list):
        return [_without_partner(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {name: None if name.startswith("partner_") else _without_partner(value) for name, value in part.items()}
