"""A finished study whose every figure the test has chosen, and one row of its table."""

import gc
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from conftest import load_tiny
from encoder_compression.measurement.operators import KINDS
from encoder_compression.reporting.standing import Limits
from encoder_compression.reporting.summarize import summarize
from encoder_compression.reporting.summary import Table
from encoder_compression.statistics.loss_budget import Decision
from encoder_compression.study.chain import Chain, place_of
from encoder_compression.study.study import Study
from encoder_compression.training.artifacts import write_curve

TIMES = {"short": 0.5, "median": 1, "long": 2}  # as long as the input of median length
LABELS = np.arange(200) % 2
DESCRIPTION = {"rows": {"train": 1, "validation": 1, "test": len(LABELS)}, "dropped": {}, "labels": ["bad", "good"]}
COMMIT = {"commit": "a1b2c3d" + "0" * 33, "modified": False}
MACHINE = {"processor": "Some processor", "cores": 2, "memory_gb": 8.0, "gpus": [], "isa": ["avx2"], "system": "Linux-6.1-x86_64"}
TORCH, ONNX = "cpu-pytorch", "cpu-onnxruntime"
DEVICES = {TORCH: {"runtime": "pytorch"}, ONNX: {"runtime": "onnxruntime"}}
MEASURED = {
    "throughput": [{"batch_size": 4, "examples": 80, "seconds": 1.0}],
    "padded_seconds": 4.0,
    "padding": "none",
    "energy_j_per_example": None,
    "library": "some library 1.0",
    "threads": 1,
    "ran_on": "cpu",
    "memory_load_mb": 30.0,
    "memory_run_mb": 40.0,
    "size_mb": 4.0,
    "compressed_mb": 3.0,
    "parameters": 1_000_000,
    "zeros": 0,
    "matrices": 800_000,
    "matrix_zeros": 0,
    "dtypes": {"float32": 1_000_000},
    "grid": [],
    "proof": {"nodes": {"cpu": 5}, "matmuls": {"float32": 4}},
    "cores": [0],
    "timed_as": None,
}

# A release gate with all clauses, and the threshold that validation chose for its recall.
GATE = {
    "metric": {"at_least": 0.8},
    "recall": {"label": "good", "false_positive_rate": 0.1, "at_least": 0.8},
    "worst_slice": {"at_least": 0.8, "examples": 30},
    "calibration_error": {"at_most": 0.2},
    "agreement": {"at_least": 0.9},
}
COSTS = {"latency_ms": {"at_most": 12}, "size_mb": {"at_most": 5}, "memory_mb": {"at_most": 50}}
CHOSEN = {"recall_threshold": {"label": "good", "false_positive_rate": 0.1, "log_odds": 0.25}}

CURVE = [  # of two epochs of three steps, the first of which was kept
    {"step": 1, "epoch": 1 / 3, "loss": 0.9, "loss_hard": 0.9},
    {"step": 3, "epoch": 1.0, "loss": 0.6, "loss_hard": 0.6},
    {"step": 3, "epoch": 1.0, "eval_loss": 0.5, "eval_score": 0.8},
    {"step": 4, "epoch": 4 / 3, "loss": 0.5, "loss_hard": 0.5},
    {"step": 6, "epoch": 2.0, "loss": 0.4, "loss_hard": 0.4},
    {"step": 6, "epoch": 2.0, "eval_loss": 0.6, "eval_score": 0.8},
]


def save_row(
    folder: Path,
    *,
    runtime,
    wrong,
    labels=LABELS,
    tokens=None,
    ms=10.0,
    ratios=None,
    fresh=1.0,
    foreign=0.0,
    gap=None,
    git=COMMIT,
    logits=None,
    **more,
):
    """Save a row that errs on the examples ``wrong`` and is ``ratios[i]`` times as fast as its partner at start i.

    One number instead of three ratios: around it, 0.1 % apart. None: the row is timed alone. ``gap`` is by how much the wall clock
    flatters it beside the processor's, on a device of one thread; None: the device has two, which the wall clock times alone.
    With empty caches it takes twice as long and is ``fresh`` times as fast as its partner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = np.where(np.isin(np.arange(len(labels)), list(wrong)), 1 - labels, labels)
    logits = [list(one) for one in (2.0 * np.eye(2)[predictions] if logits is None else logits)]
    tokens = np.full(len(labels), 8) if tokens is None else tokens
    columns = {"id": [str(i) for i in range(len(labels))], "label": labels, "prediction": predictions, "logits": logits, "tokens": tokens}
    pd.DataFrame(columns).to_parquet(folder / "predictions.parquet")
    ratios = ratios * np.exp([-0.001, 0, 0.001]) if isinstance(ratios, (int, float)) else ratios
    partners = [None] * 3 if ratios is None else [[ms * ratio] * 20 for ratio in ratios]
    rounds = [[_timed([ms] * 20, partner, gap)] * 3 for partner in partners]
    launches = [{"rounds": each, "foreign_cpu_share": foreign} for each in rounds]
    more |= {"fresh": _timed([2 * ms] * 3, None if ratios is None else [2 * ms * fresh] * 3, gap)}
    device = {"runtime": runtime, "hardware": "cpu", "threads": 2 if gap is None else 1}
    (folder / "measurement.json").write_text(json.dumps(MEASURED | {"device": device, "launches": launches} | more), encoding="utf-8")
    _write_provenance(folder, git=git, facts={})


def _timed(own_ms: list[float], partner_ms: list[float] | None, gap: float | None) -> dict:
    """Return a round whose partner waited for the processor while the clock on the wall went on."""
    waited = None if partner_ms is None else [ms * (1 + (gap or 0)) for ms in partner_ms]
    by_wall = {"latencies_ms": own_ms, "partner_latencies_ms": waited}
    return by_wall | {"processor_ms": own_ms, "partner_processor_ms": partner_ms}


def save_profile(folder: Path, *, foreign: float = 0.0, **milliseconds: float) -> None:
    """Save a profile in which kinds of operators take so many ``milliseconds`` of a call, and of a long input twice as many."""
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(milliseconds.values())
    kinds = [(kind, milliseconds.get(kind, 0.0)) for kind in KINDS]
    rows = [
        {"input": title, "kind": kind, "milliseconds": ms * times, "share": ms / total}
        for title, times in TIMES.items()
        for kind, ms in kinds
    ]
    pd.DataFrame(rows).to_csv(folder / "kinds.csv", index=False)
    inputs = {title: {"tokens": 26 * times, "latency_ms": total * times} for title, times in TIMES.items()}
    (folder / "profile.json").write_text(json.dumps({"foreign_cpu_share": foreign, "inputs": inputs}), encoding="utf-8")


class Rooted(Study):
    """A study whose results lie in the folder that its options name."""

    def folder(self, variant: str, seed: int, part: str) -> str:
        return f"{self.options['root']}/{super().folder(variant, seed, part)}"


class SavedStudy:
    """All rows of ``variants`` of the tiny study: as good as the baseline and exactly as fast, until a test saves one anew.

    With seed 1 all err on the first 20 of the 200 examples, with seed 2 on the first 21, and so on.
    """

    def __init__(
        self,
        root: Path,
        *variants: str,
        seeds=(1,),
        metric="accuracy",
        finetune=("teacher",),
        compare=(),
        profile=(),
        task="classification",
    ):
        options = tiny_options()
        devices = {name: options["devices"][TORCH] | device for name, device in DEVICES.items()}
        steps = {name: options["finetune"]["teacher"] for name in finetune}
        changes = {
            "variants": list(variants),
            "seeds": list(seeds),
            "metric": metric,
            "task": task,
            "devices": devices,
            "finetune": steps,
            "compare": list(compare),
            "profile": list(profile),
        }
        self.root, self.study = root, Rooted("mine", options | changes | {"root": str(root)})
        for artifact in self.study.artifacts():
            self.train(artifact["variant"], artifact["seed"], artifact["form"])
        for row in self.study.table_rows():
            for folder in (row["baseline"], row["same_runtime"], *row["folder_of"].values()):
                place = place_of(folder)
                self.save(place.chain, place.part, seed=place.seed)

    def train(self, variant: str, seed: int = 1, form: str = "model", git: dict = COMMIT, **more) -> None:
        """Leave what training leaves: 60 s and steps for the first step of a chain, 30 for the second, 20 for the third.

        The first trained 6000 weights in 600 MB, the second 3000 in 300 MB.
        """
        folder = Path(self.study.folder(variant, seed, form))
        folder.mkdir(parents=True, exist_ok=True)
        part = len(Chain(variant).steps)
        adapter = {"adapter_mb": 0.5} if "adapter" in self.study.forms(variant) else {}
        facts = {"training_seconds": 60 / part, "steps": 60 // part, "trained_parameters": 6000 // part, "training_memory_mb": 600 / part}
        _write_provenance(folder, git=git, facts=facts | adapter | more)
        write_curve(CURVE, folder.parent / "training.csv")

    def save(self, variant: str, device: str, *, seed: int = 1, **figures) -> None:
        """Save a row with other figures; those of `save_row`."""
        alone = self.study.partner(variant, device) is None
        given = {"runtime": DEVICES[device]["runtime"], "wrong": range(19 + seed), "ratios": None if alone else 1.0} | figures
        save_row(Path(self.study.folder(variant, seed, device)), **given)

    @property
    def groups(self) -> list[tuple[str, str]]:
        """The variants on the devices whose rows the tables read, the baseline's among them."""
        places = [place_of(row[key]) for row in self.study.table_rows() for key in ("folder", "baseline", "same_runtime")]
        return sorted({(place.chain, place.part) for place in places})

    def table(self, gate: float | None = None, points: float = 1, **description) -> Table:
        named = {name: self.study.options[name] for name in ("task", "metric")} | {"rows": self.study.table_rows()}
        limits = Limits(points=points, retained=gate)
        return Table(experiment="mine", limits=limits, description=DESCRIPTION | description, **named)

    def aggregate(self, gate: float | None = None, points: float = 1) -> pd.DataFrame:
        return self.table(gate, points).over_seeds.set_index(["variant", "device"])

    def summarize(self, gate: float | None = None, points: float = 1, release_gate: dict | None = None, **description) -> SimpleNamespace:
        """Run the whole summary with a quality gate and a release gate, if they are given; returns what it wrote and said."""
        (self.root / "dataset.json").write_text(json.dumps(DESCRIPTION | description), encoding="utf-8")
        _write_provenance(self.root, git=COMMIT, facts={"weights_sha256": "0" * 64, "license": "mit"})
        rest = {"budget": {"points": points}, "rows": self.study.table_rows()}
        rest |= {} if gate is None else {"quality_gate": {"retained": gate}}
        rest |= {} if release_gate is None else {"gate": release_gate}
        options = self.study.options | rest | {"artifacts": self.study.artifacts()}
        tables = ("summary", "aggregate", "pairs", "slices", "grid")
        output = {name: self.root / f"{name}.csv" for name in tables} | {
            name: self.root / name for name in ("markdown", "latex", "page", "gate")
        }
        sources = {"dataset": self.root, "encoder": self.root, "processes": None, "profiled": self.study.profiles()}
        facts = summarize(experiment="mine", options=options, **sources, output=output)
        texts = {name: output[name].read_text(encoding="utf-8") for name in ("markdown", "latex", "page", "gate")}
        read = {name: pd.read_csv(output[name]) for name in tables} | texts
        return SimpleNamespace(facts=facts, **read)


def sample(**changes) -> dict:
    """Return a row of `Table.over_seeds` that is not the baseline and differs in nothing from it, with changes."""
    row = {
        "variant": "teacher+int8",
        "device": TORCH,
        "metric": "accuracy",
        "unit": "sentence",
        "seeds": 1,
        "is_baseline": False,
        "technique": "distill",
        "runtime_alone": False,
    }
    row |= {"score": 0.9, "score_sd": None, "score_ci_low": 0.86, "score_ci_high": 0.94, "retained": 1.0}
    row |= {"constant_score": 0.5, "constant": "always predicting 'bad'", "excluded_kinds": "", "excluded": "", "why_excluded": ""}
    row |= {"seeds_of_one_class": 0, "can_win": True, "agreement": 0.98, "lost": 0.01, "gained": 0.01}
    row |= change(0.0, -0.005, 0.005, 1.0) | {"speedup_p_holm": 1.0, "allowed_points": 1.0, "settled_by": None, "settled_times": None}
    row |= dict.fromkeys(("against_control", "against_control_ci_low", "against_control_ci_high", "against_control_p_holm"))
    for name in ("speedup", "speedup_runtime", "speedup_compression"):
        row |= ratio(name, 1.0, 1.0, 1.0)
    row |= {
        "speedup_depth": 1.0,
        "speedup_width": 1.0,
        "speedup_precision": 1.0,
        "speedup_weights": 1.0,
        "noisy": False,
        "foreign_cpu_share": 0.0,
        "clock_gap": None,
        "padding": "none",
        "timed_as": None,
    }
    row |= {
        "latency_ms_p50": 10.0,
        "throughput_batch_size": 8,
        "batched_score": 0.9,
        "changed_by_batches": 0.0,
        "throughput_per_s": 80.0,
        "training_seconds": 60.0,
        "training_steps": 60,
        "memory_run_mb": 40.0,
        "size_mb": 40.0,
    }
    row |= {"compressed_mb": 30.0, "parameters": 1e6, "nonzero_parameters": 1e6, "matrix_zeros_share": 0.0, "integer_products_share": 0.0}
    return row | changes


def ratio(name: str, value: float, low: float, high: float) -> dict:
    """Return a ratio with its interval, as changes of a `sample`."""
    return {name: value, f"{name}_ci_low": low, f"{name}_ci_high": high}


def change(value: float, low: float, high: float, p: float) -> dict:
    """Return a difference of the score with its interval and p-value, as changes of a `sample`; the interval's ends are its bounds, too."""
    bounds = {"difference": value, "difference_ci_low": low, "difference_ci_high": high, "change_above": low, "change_below": high}
    return bounds | {"p_holm": p, "budget": None if low is None else Decision(0.01, low, high).verdict}


def _write_provenance(folder: Path, *, git: dict, facts: dict) -> None:
    record = {
        "git": git,
        "hardware": MACHINE,
        "packages": {"torch": "2.9.0+cpu"},
        "facts": facts,
        "inputs": {},
        "options": {"wildcards": {}},
        "seconds": 1.0,
    }
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")


@cache
def tiny_options() -> dict:
    """Return the complete options of the tiny study."""
    import torchmetrics.functional.classification  # noqa: F401  what the table imports later

    gc.freeze()  # statsmodels collects garbage at every correction of p-values; what the imports left is none
    return load_tiny().options
