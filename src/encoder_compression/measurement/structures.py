"""How long a model takes on a device whole, with fewer heads, and with fewer neurons: the table that a structure is chosen by.

Measured times in place of counted operations, as in ZipLM (Kurtic, Frantar & Alistarh 2023).
"""

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import onnx_graph
from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.measurement.remote import RemoteWorker, started
from encoder_compression.pruning.gates import open_gates
from encoder_compression.pruning.structure import NEURONS_AT_ONCE, first_of_each, remove
from encoder_compression.run import progress

GONE = (0.25, 0.5, 0.75, 1)  # shares of the heads or neurons of each layer; of all of them the fewest stay that can
SPLIT = "validation"  # what these times choose may not have seen test


def time_structures(
    *, model: Path, artifact: Path, dataset: Path, device: dict, export: dict | None, measure: dict, times: Path, name: str
) -> dict:
    """Write to ``times`` what ``model`` takes with fewer heads, and with fewer neurons, in all of its layers; returns facts.

    ``artifact`` is the whole model as the device's runtime reads it; ``export`` says how graphs are written where it reads
    those. The models with fewer heads take turns with the whole one on the same single examples, each in a process of its
    own, and so do those with fewer neurons. "ms" is the whole model's median times the median of the ratios to it.
    """
    encoder_facts.require_all_heads(model, "structured pruning")
    (layers, heads), (_, neurons) = (gates.shape for gates in open_gates(pretrained.load_model(model)))
    kept = {"heads": _numbers(heads, at_once=1), "neurons": _numbers(neurons, at_once=NEURONS_AT_ONCE)}
    starts = {}
    with progress.bar(len(kept), description=name, unit="part") as bar:
        for part, numbers in kept.items():
            structures = [{"heads": heads, "neurons": neurons} | {part: number} for number in numbers[1:]]
            with TemporaryDirectory() as folder:
                places = [Path(folder) / f"{index}" for index in range(len(structures))]
                cut = [
                    _cut(model, place, structure, export, device["runtime"]) for place, structure in zip(places, structures, strict=True)
                ]
                starts[part] = _time([Path(artifact), *cut], device, dataset, measure)
            bar.update()
    whole_ms = float(np.median([start["latencies_ms"][0] for start in starts.values()]))
    points = {part: _points(kept[part], start["latencies_ms"], whole_ms) for part, start in starts.items()}
    Path(times).write_text(json.dumps({"device": device, "layers": layers, "whole_ms": whole_ms} | points) + "\n", encoding="utf-8")
    return {"largest_foreign_cpu_share": max(start["foreign_cpu_share"] for start in starts.values())}


def _numbers(total: int, *, at_once: int) -> list[int]:
    """Return how many heads or neurons are kept in the models that are timed, from all of them down."""
    gone = {at_once * min(round(share * total / at_once), (total - 1) // at_once) for share in GONE}
    return [total - number for number in sorted(gone | {0})]


def _cut(model: Path, folder: Path, structure: dict, export: dict | None, runtime: str) -> Path:
    """Write the model with so many heads and neurons in each layer, as weights or, where ``export`` says how, as a graph."""
    network = pretrained.load_model(model)
    remove(network, first_of_each(network, **structure))
    pretrained.save(network, encoder_facts.load_tokenizer(model), folder / "model")
    if export is None:
        return folder / "model"
    onnx_graph.export(model=folder / "model", options=export, output=folder / "onnx")
    if runtime != "openvino":
        return folder / "onnx"
    from encoder_compression.export import openvino_model  # NNCF takes seconds to import

    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=export, output=folder / "openvino")
    return folder / "openvino"


def _time(artifacts: list[Path], device: dict, dataset: Path, measure: dict) -> dict:
    """Return the latencies [artifacts, calls] of one start of each, and the share of processor time that others took."""
    with started([(artifact, device, dataset) for artifact in artifacts], split=SPLIT) as workers:
        load = ForeignLoad(workers)
        latencies = _take_turns(workers, measure)
        return {"latencies_ms": latencies, "foreign_cpu_share": load.share()}


def _take_turns(workers: list[RemoteWorker], measure: dict) -> list[list[float]]:
    """Return the latencies of all workers on the same examples, one start's share of the calls; each round another is first."""
    for worker in workers:
        worker.ask("latency", first=0, calls=measure["warmup_calls"])
    calls = math.ceil(measure["calls"] / measure["launches"] / measure["rounds"])
    latencies: list[list[float]] = [[] for _ in workers]
    for number in range(measure["rounds"]):
        first = measure["warmup_calls"] + number * calls
        for turn in range(len(workers)):
            index = (number + turn) % len(workers)
            latencies[index] += workers[index].ask("latency", first=first, calls=calls)["latencies_ms"]
    return latencies


def _points(kept: list[int], latencies_ms: list[list[float]], whole_ms: float) -> list[dict]:
    """Return a point of the table for each timed model, the whole one first."""
    ratios = np.median(np.array(latencies_ms) / np.array(latencies_ms[0]), axis=1)
    return [
        {"kept": number, "ms": whole_ms * float(ratio), "latencies_ms": samples}
        for number, ratio, samples in zip(kept, ratios, latencies_ms, strict=True)
    ]
