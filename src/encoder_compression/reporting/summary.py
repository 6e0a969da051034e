"""The tables of an experiment: a row per variant, seed and device, and a row per variant and device over all seeds."""

import math
from collections import defaultdict
from functools import cached_property

import numpy as np
import pandas as pd

from encoder_compression.data import tasks
from encoder_compression.reporting import comparison, curves, standing
from encoder_compression.reporting.comparison import Difference
from encoder_compression.reporting.end_to_end import EndToEnd
from encoder_compression.reporting.rows import Row
from encoder_compression.reporting.speed import Speed, length_factor
from encoder_compression.reporting.standing import Limits
from encoder_compression.run import provenance
from encoder_compression.statistics import intervals, loss_budget, quality
from encoder_compression.statistics.ratios import NOISY_GAP, NOISY_SHARE
from encoder_compression.study.chain import Chain, place_of

MEANS = [
    "score", "retained", "agreement", "lost", "gained", "logit_kl", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99",
    "fresh_latency_ms", "throughput_per_s", "batched_score", "changed_by_batches", "padding_cost", "energy_j_per_example",
    "memory_load_mb", "memory_run_mb", "size_mb", "compressed_mb", "parameters", "nonzero_parameters", "matrix_zeros_share",
    "integer_products_share", "training_seconds", "search_seconds", "training_steps", "trained_parameters",
    "training_memory_mb", "adapter_mb", *curves.KEPT,
]  # fmt: skip


class Table:
    """The rows of an experiment, as `study.Study.table_rows` names them, with everything that was saved about them.

    ``description`` is dataset.json; ``limits`` say which rows can win.
    """

    def __init__(self, *, experiment: str, task: str, metric: str, limits: Limits, description: dict, rows: list[dict]):
        self.experiment, self.metric, self.limits, self.description, self.rows = experiment, metric, limits, description, rows
        self.task = tasks.load(task)
        folders = {folder for row in rows for folder in (row["baseline"], row["same_runtime"], *row["folder_of"].values())}
        self.saved_rows = {folder: Row(folder, self.task) for folder in folders}
        self.speed, self.end_to_end = Speed(rows, self.saved_rows), EndToEnd(rows, self.saved_rows)
        self.groups: dict[tuple[str, str], list[dict]] = defaultdict(list)  # (variant, device) -> its rows by seed
        for row in rows:
            self.groups[row["variant"], row["device"]].append(row)

    @cached_property
    def by_seed(self) -> pd.DataFrame:
        """A row per variant, seed and device."""
        return pd.DataFrame([self._row(row) for row in self.rows])

    @cached_property
    def over_seeds(self) -> pd.DataFrame:
        """A row per variant and device: means over seeds, 95 % intervals, tests against the baseline; NaN where there is no figure."""
        groups = [self._group(key) for key in self.groups]
        table = pd.DataFrame([{name: math.nan if value is None else value for name, value in row.items()} for row in groups])
        table["speedup_p_holm"] = intervals.holm(table["speedup_p_value"].to_numpy(dtype=float))
        constant_score, constant = self.best_constant
        table = table.assign(constant_score=constant_score, constant=constant)
        reasons = [standing.exclusions(row) for row in table.to_dict("records")]
        return table.assign(**standing.columns(reasons))

    @cached_property
    def best_constant(self) -> tuple[float, str]:
        """The score that the best constant prediction reaches on the labels of the test split, and that prediction in words."""
        labels = self.saved(self.rows)[0].labels
        return self.task.best_constant(labels, self.metric, self.description)

    @cached_property
    def baseline_scores(self) -> dict[str, float]:
        """The baseline's score by device, the mean over seeds; the baseline need not be a row."""
        scores = {device: [row.score(self.metric) for row in self.saved(rows, "baseline")] for (_, device), rows in self.groups.items()}
        return {device: float(np.mean(each)) for device, each in scores.items()}

    @cached_property
    def score_intervals(self) -> dict[tuple[str, str], tuple[float, float]]:
        """The interval of the mean score, by variant and device."""
        return comparison.score_intervals(self.metric, {key: self.saved(rows) for key, rows in self.groups.items()})

    @cached_property
    def from_baseline(self) -> dict[tuple[str, str], Difference]:
        """The differences from the baseline. The question is whether a variant loses, so its devices are one family."""
        pairs = {key: (self.saved(rows), self.saved(rows, "baseline")) for key, rows in self.groups.items() if not _is_baseline(rows)}
        return comparison.differences(self.metric, pairs, family=lambda key: key[0])

    @cached_property
    def from_control(self) -> dict[tuple[str, str], Difference]:
        """The differences of rows from their controls, which are one family."""
        controls = {key: self.groups.get((rows[0]["control"], rows[0]["device"])) for key, rows in self.groups.items()}
        pairs = {key: (self.saved(self.groups[key]), self.saved(control)) for key, control in controls.items() if control}
        return comparison.differences(self.metric, pairs, family=lambda key: "controls")

    @cached_property
    def trained_models(self) -> list[str]:
        """The folders of all models that were trained for the rows, those that others are made from included."""
        return sorted({model for row in self.rows for model in row["trained"]})

    @cached_property
    def origins(self) -> list[dict]:
        """The git commits of all measurements and of all models behind them, and whether files differed from them."""
        return [row.revision for row in self.saved_rows.values()] + [provenance.read(model)["git"] for model in self.trained_models]

    @property
    def revisions(self) -> list[str]:
        """The short git commits among the origins."""
        return sorted({str(origin["commit"])[:7] for origin in self.origins})

    def saved(self, rows: list[dict], key: str = "folder") -> list[Row]:
        """Return the saved results in the folders that ``key`` names in each row."""
        return [self.saved_rows[row[key]] for row in rows]

    def _row(self, row: dict) -> dict:
        (this,), (baseline,) = self.saved([row]), self.saved([row], "baseline")
        percentiles = np.percentile(this.latencies_ms, [50, 90, 99])
        ((low, high),) = comparison.score_intervals(self.metric, {"": [this]}).values()
        return {
            "experiment": self.experiment,
            "variant": row["variant"],
            "seed": row["seed"],
            "device": row["device"],
            "runtime": this.measurement["device"]["runtime"],
            "metric": self.metric,
            "score": this.score(self.metric),
            "score_ci_low": low,
            "score_ci_high": high,
            "retained": quality.retained(this.score(self.metric), baseline.score(self.metric)),
            **comparison.changes(this, baseline),
            **{metric: this.score(metric) for metric in self.task.SHOWN if metric != self.metric},
            **(_of_classes(this) if this.logits is not None else {}),
            **{f"latency_ms_p{p}": value for p, value in zip((50, 90, 99), percentiles, strict=True)},
            "fresh_latency_ms": this.fresh_latency_ms,
            **self.speed.columns([row]),
            **self.end_to_end.columns([row]),
            "throughput_per_s": this.throughput[0],
            "throughput_batch_size": this.throughput[1],
            "batched_score": this.batched_score(self.metric),
            "changed_by_batches": this.changed_by_batches,
            "padding_cost": this.padding_cost,
            "padding": this.measurement["padding"],
            **_contents(this.measurement),
            **_training(row),
            **(curves.kept_epoch(curves.read(row["fitted"])) if row["fitted"] else dict.fromkeys(curves.KEPT)),
            "timed_as": this.timed_as,
            "foreign_cpu_share": this.foreign_cpu_share,
            "clock_gap": this.clock_gap,
            "commit": this.revision["commit"],
            "modified": this.revision["modified"],
        }

    def _group(self, key: tuple[str, str]) -> dict:
        rows, (variant, device) = self.groups[key], key
        each = self.by_seed.query("variant == @variant and device == @device").reset_index(drop=True)
        means = [*MEANS, *(name for name in each if name in (*self.task.SHOWN, "calibration_error") or name.startswith("recall_"))]
        return {
            **{name: each[name][0] for name in ("experiment", "variant", "device", "runtime", "metric")},
            "unit": self.task.UNIT,
            "seeds": len(rows),
            "is_baseline": _is_baseline(rows),
            "is_control": Chain(variant).has_control,
            "runtime_alone": rows[0]["folder"] == rows[0]["same_runtime"],
            **{name: each[name].mean() if each[name].notna().all() else None for name in means},
            "score_sd": each["score"].std() if len(rows) > 1 else None,
            **self._quality(key),
            **self._within_budget(key),
            "technique": rows[0]["chain"][variant],
            **self._against_control(key),
            **self.speed.columns(rows),
            **self.end_to_end.columns(rows),
            "speedup_p_value": self.speed.p_value(rows),
            "speedup_length": length_factor(self.saved_rows[rows[0]["folder"]]),
            "throughput_batch_size": each["throughput_batch_size"][0],
            "padding": each["padding"][0],
            "timed_as": each["timed_as"][0],
            "spread_of_starts": self.speed.spread(device),
            "foreign_cpu_share": each["foreign_cpu_share"].max(),
            "clock_gap": each["clock_gap"].max(),
            "noisy": _is_noisy(each),
            "seeds_of_one_class": sum(self.task.is_constant(row.labels, row.predictions) for row in self.saved(rows)),
        }

    def _quality(self, key: tuple[str, str]) -> dict:
        """Return the interval of the score, and the difference from the baseline with interval and p-values."""
        low, high = self.score_intervals[key]
        difference = self.from_baseline.get(key)
        return {"score_ci_low": low, "score_ci_high": high} | (difference.columns() if difference else comparison.NO_DIFFERENCE)

    def _within_budget(self, key: tuple[str, str]) -> dict:
        """Return what the difference from the baseline may be, and what the tests say of that; nothing of the baseline itself."""
        allowed = self.limits.allowed(self.baseline_scores[key[1]])
        columns = {"allowed_points": 100 * allowed, "change_above": None, "change_below": None, "budget": None}
        difference = self.from_baseline.get(key)
        if difference is None:
            return columns | {"settled_by": None, "settled_times": None}
        decision = loss_budget.decide(difference.mean, allowed)
        settled = loss_budget.settling(difference.mean, allowed) if decision.verdict == loss_budget.OPEN else None
        columns |= {"change_above": decision.low, "change_below": decision.high, "budget": decision.verdict}
        return columns | dict(zip(("settled_by", "settled_times"), settled or (None, None), strict=True))

    def _against_control(self, key: tuple[str, str]) -> dict:
        """Return the score minus that of the control, with interval and p-values; None where there is no control."""
        difference = self.from_control.get(key)
        columns = difference.columns() if difference else comparison.NO_DIFFERENCE
        return {f"against_control_{name}".replace("_difference", ""): value for name, value in columns.items()}


def _is_noisy(each: pd.DataFrame) -> bool:
    """Say whether other programs disturbed a row with any seed: by both clocks where they tell, else by the time that others took."""
    gap = each["clock_gap"].max()
    return bool(each["foreign_cpu_share"].max() > NOISY_SHARE if math.isnan(gap) else gap > NOISY_GAP)


def _is_baseline(rows: list[dict]) -> bool:
    return rows[0]["folder"] == rows[0]["baseline"]


def _share(part: float, whole: float) -> float:
    """Return a part of a whole as a share; NaN where there is no whole."""
    return part / whole if whole else math.nan


def _training(row: dict) -> dict:
    """Return what the chain's training cost, as columns; None for what no step did, or what old artifacts did not record."""
    steps = [provenance.read_facts(model) for model in row["trained"]]
    trained = [step for step in steps if step.get("trained_parameters")]
    return {
        "training_seconds": sum(step["training_seconds"] for step in steps),
        "search_seconds": sum(step.get("searched", {}).get("seconds", 0) for step in steps),
        "training_steps": sum(step["steps"] for step in steps),
        "trained_parameters": trained[-1]["trained_parameters"] if trained else None,
        "training_memory_mb": max((step["training_memory_mb"] for step in trained), default=None),
        "adapter_mb": steps[-1].get("adapter_mb") if place_of(row["trained"][-1]).chain == row["variant"] else None,
    }


def _of_classes(row: Row) -> dict:
    """Return what the logits of classes tell, as columns."""
    recalls = quality.recalls(row.labels, row.predictions, row.logits.shape[1])
    return {"calibration_error": quality.calibration_error(row.logits, row.labels)} | {
        f"recall_{label}": share for label, share in enumerate(recalls)
    }


def _contents(measured: dict) -> dict:
    """Return memory, size and number formats of a measurement, as columns."""
    copied = ("energy_j_per_example", "memory_load_mb", "memory_run_mb", "size_mb", "compressed_mb", "parameters")
    products = measured["proof"]["matmuls"]
    tuned = {name: measured[name] for name in ("null_threshold", "class_threshold") if name in measured}
    chosen = {"recall_threshold": measured["recall_threshold"]["log_odds"]} if "recall_threshold" in measured else {}
    return (
        {name: measured[name] for name in copied}
        | tuned
        | chosen
        | {
            "nonzero_parameters": measured["parameters"] - measured["zeros"],
            "matrix_zeros_share": _share(measured["matrix_zeros"], measured["matrices"]),
            "integer_products_share": _share(products.get("int8", 0), sum(products.values())),
        }
    )
