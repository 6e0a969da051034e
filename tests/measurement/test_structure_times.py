"""A structure is chosen by times that were measured on its device, and never by the test split."""

import json
from itertools import pairwise, product

import numpy as np
import pytest
import torch
import yaml

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement import worker
from encoder_compression.measurement.remote import RemoteWorker
from encoder_compression.measurement.structures import _numbers, time_structures
from encoder_compression.pruning.budget import Budget, of_time
from encoder_compression.pruning.gates import Importance
from encoder_compression.pruning.structure import Structure, choose
from encoder_compression.runtimes.workload import Workload

LAYERS, HEADS, NEURONS = 2, 3, 24
SPEEDUPS = [1.05, 1.2, 1.5, 2, 2.6, 4, 6]


def points(**ms_of_kept: float) -> list[dict]:
    return [{"kept": int(kept.removeprefix("kept")), "ms": ms} for kept, ms in ms_of_kept.items()]


# Of 12 ms a head takes 1 in each layer, and eight neurons of both layers together 3.
TABLE = {"layers": LAYERS, "whole_ms": 12.0, "heads": points(kept3=12, kept1=8), "neurons": points(kept24=12, kept8=6)}


def budget(speedup: float, **changes) -> Budget:
    return of_time(TABLE | changes, speedup=speedup, device="cpu-pytorch")


def random_importance(seed: int) -> Importance:
    generator = torch.Generator().manual_seed(seed)
    return Importance(torch.rand(LAYERS, HEADS, generator=generator), torch.rand(LAYERS, NEURONS, generator=generator) / 8)


def predicted_ms(structure: Structure) -> float:
    return 12 - float((1 - structure.heads).sum()) - float((1 - structure.neurons).sum()) / LAYERS / 8 * 3


def lost(importance: Importance, structure: Structure) -> float:
    return float((importance.heads * (1 - structure.heads)).sum() + (importance.neurons * (1 - structure.neurons)).sum())


def every_structure(importance: Importance):
    """Yield all choices of heads, one in each layer at least, with every width in steps of eight and its best neurons."""
    for kept in product([0.0, 1.0], repeat=LAYERS * HEADS):
        heads = torch.tensor(kept).view(LAYERS, HEADS)
        for width in (8, 16, 24) if heads.any(dim=1).all() else ():
            rank = importance.neurons.argsort(dim=1, descending=True).argsort(dim=1)
            yield Structure(heads, (rank < width).float())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("speedup", SPEEDUPS)
def test_the_chosen_structure_is_in_time_and_loses_least_of_all_that_are(speedup, seed):
    importance = random_importance(seed)
    chosen = choose(importance, budget(speedup))
    assert predicted_ms(chosen) <= 12 / speedup + 1e-9
    least = min(lost(importance, other) for other in every_structure(importance) if predicted_ms(other) <= 12 / speedup + 1e-9)
    assert lost(importance, chosen) == pytest.approx(least)


def test_a_faster_target_never_loses_less():
    importance = random_importance(0)
    losses = [lost(importance, choose(importance, budget(speedup))) for speedup in SPEEDUPS]
    assert all(one <= other + 1e-6 for one, other in pairwise(losses))
    assert losses[0] < losses[-1]


def test_time_is_linear_between_measured_points_and_the_savings_of_layers_add_up():
    table = {"heads": points(kept3=12, kept2=11, kept1=8), "neurons": points(kept24=12, kept16=8, kept8=6)}
    cost = budget(1.5, **table).cost
    assert float(cost(torch.tensor([3, 3]), torch.tensor(24))) == 12
    assert float(cost(torch.tensor([2, 1]), torch.tensor(24))) == pytest.approx(12 - 1 / 2 - 4 / 2)
    assert float(cost(torch.tensor([3, 3]), torch.tensor(20))) == pytest.approx(10)
    assert float(cost(torch.tensor([1, 1]), torch.tensor(8))) == pytest.approx(12 - 4 - 6)
    assert float(cost(torch.tensor([3, 3]), torch.tensor(4))) == 6  # below the smallest point nothing more is promised


def test_heads_that_cost_time_when_they_go_are_not_counted_as_saved():
    """A measured number of heads can be slower than one more: then none go, or two."""
    importance = Importance(torch.tensor([[1e-6, 2e-6, 9.0], [5.0, 6.0, 9.0]]), torch.rand(LAYERS, NEURONS) + 1)
    chosen = choose(importance, budget(1.1, heads=points(kept3=12, kept2=13, kept1=8)))
    assert chosen.kept_heads.tolist() == [1, 3]
    assert chosen.neurons.all()


def test_a_target_out_of_reach_is_answered_with_what_can_be_reached():
    message = "^target: no structure is 7 times as fast on cpu-pytorch; the fastest is 6.0 times, so lower 'speedup'$"
    with pytest.raises(UserError, match=message):
        choose(random_importance(0), budget(7))


@pytest.mark.parametrize(
    ("total", "at_once", "numbers"),
    [(12, 1, [12, 9, 6, 3, 1]), (1536, 8, [1536, 1152, 768, 384, 8]), (2, 1, [2, 1]), (1, 1, [1]), (100, 8, [100, 76, 52, 28, 4])],
)
def test_quarters_are_timed_and_the_fewest_that_can_stay(total, at_once, numbers):
    assert _numbers(total, at_once=at_once) == numbers


MEASURE = {"calls": 12, "launches": 2, "rounds": 2, "warmup_calls": 1}
DEVICE = {"hardware": "cpu", "threads": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def parent(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("parent")
    encoder = make_encoder(folder / "base", intermediate_size=16)
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder / "model")
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=tiny.options["export"], output=folder / "openvino")
    return folder


@pytest.mark.parametrize(("runtime", "form"), [("pytorch", "model"), ("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_every_point_of_a_measured_table_has_a_time_on_the_same_examples(tmp_path, parent, dataset, tiny, monkeypatch, runtime, form):
    loads = []
    enter = RemoteWorker.__enter__
    monkeypatch.setattr(RemoteWorker, "__enter__", lambda self: loads.append(self.load) or enter(self))
    facts = time_structures(
        model=parent / "model",
        artifact=parent / form,
        dataset=dataset,
        device=DEVICE | {"runtime": runtime},
        export=None if form == "model" else tiny.options["export"],
        measure=MEASURE,
        times=tmp_path / "times.json",
        name="test",
    )
    table = json.loads((tmp_path / "times.json").read_text(encoding="utf-8"))
    assert [point["kept"] for point in table["heads"]] == [2, 1]
    assert [point["kept"] for point in table["neurons"]] == [16, 8]
    for point in (*table["heads"], *table["neurons"]):
        assert len(point["latencies_ms"]) == 6
        assert point["ms"] > 0
    ratios = np.array(table["heads"][1]["latencies_ms"]) / np.array(table["heads"][0]["latencies_ms"])
    assert table["heads"][1]["ms"] == pytest.approx(table["whole_ms"] * np.median(ratios))
    assert float(of_time(table, speedup=2, device="here").cost(torch.tensor([2, 2]), torch.tensor(16))) == table["whole_ms"]
    assert [(load["split"], load["device"]["runtime"]) for load in loads] == [("validation", runtime)] * 4
    assert 0 <= facts["largest_foreign_cpu_share"] <= 1


def test_a_worker_runs_on_the_split_that_it_was_told(parent, dataset, monkeypatch):
    monkeypatch.setattr(worker, "_pin", lambda threads: [])
    started = worker.Worker(
        artifact=str(parent / "onnx"), dataset=str(dataset), split="validation", device=DEVICE | {"runtime": "onnxruntime"}
    )
    assert started.workload.lengths.tolist() == Workload(dataset, "validation").lengths.tolist()
    assert len(started.order) != len(Workload(dataset, "test").order())


def test_structures_are_timed_once_for_all_seeds_and_only_where_a_target_asks(workspace):
    workspace.experiment = "fast"
    study = {"extends": "tiny", "seeds": [3, 4], "variants": ["teacher+width40", "teacher+fast"], "compare": [], "profile": []}
    study["shrink"] = {"fast": {"target": {"speedup": 1.2, "device": "cpu-onnxruntime"}, "gate": 0}}
    (workspace.folder / "config/experiments/fast.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")

    def timed(*targets: str) -> list[str]:
        done = workspace.run("-n", "--cores", "2", *targets)
        assert done.returncode == 0, done.stderr
        blocks = (done.stdout + done.stderr).split("\nrule ")
        return [
            line.strip() for block in blocks if block.startswith("time_structures:") for line in block.splitlines() if "wildcards" in line
        ]

    assert timed() == ["wildcards: experiment=fast, variant=teacher, seed=3, device=cpu-onnxruntime"]
    assert timed(*(f"results/fast/teacher+{step}/seed4/model" for step in ("width40", "fast-control"))) == []
