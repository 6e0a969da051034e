"""One row per variant, seed and device, from saved measurements and predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression import provenance, quality, summary_text

COLUMNS = [
    "experiment", "variant", "seed", "device", "runtime", "metric", "score", "score_ci_low", "score_ci_high", "retained",
    "agreement", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "speedup", "throughput_per_s", "memory_mb", "size_mb",
    "parameters", "nonzero_parameters", "training_seconds", "speedup_compression", "speedup_runtime", "foreign_cpu_share",
]  # fmt: skip


class Row:
    """The saved results of one variant, seed and device."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.measurement = json.loads((self.folder / "measurement.json").read_text())
        self.predictions = pd.read_parquet(self.folder / "predictions.parquet")

    def latencies_ms(self) -> np.ndarray:
        """Return all timed calls."""
        return np.concatenate([one["latencies_ms"] for one in self.measurement["rounds"]])

    def ratio_to_partner(self) -> float:
        """Return the median over rounds of the partner's time divided by this row's, on the same sentences; 1 if alone."""
        rounds = self.measurement["rounds"]
        if rounds[0]["partner_latencies_ms"] is None:
            return 1.0
        return float(np.median([sum(one["partner_latencies_ms"]) / sum(one["latencies_ms"]) for one in rounds]))

    def score(self, metric: str) -> float:
        """Return the score of the saved predictions on the test split."""
        return quality.score(metric, self.predictions["label"].to_numpy(), self.predictions["prediction"].to_numpy())


def summarize(*, experiment: str, metric: str, rows: list[dict], csv: Path, markdown: Path) -> dict:
    """Write the summary as CSV, with the columns of `COLUMNS`, and as Markdown for people.

    Each of ``rows`` names a variant, seed and device, and the folders of its results ("folder"), of those of the
    baseline ("baseline") and of the baseline variant on the same device ("same_runtime"), and of the models that its
    chain trained ("trained"). Returns facts.
    """
    folders = {row[key] for row in rows for key in ("folder", "baseline", "same_runtime")}
    found = {folder: Row(folder) for folder in folders}
    table = pd.DataFrame([_summarize_row(experiment, metric, row, found) for row in rows], columns=COLUMNS)
    table.to_csv(csv, index=False, float_format="%.6g")
    predictions = [found[row["folder"]].predictions for row in rows]
    Path(markdown).write_text(summary_text.render(experiment, table, predictions))
    return {"rows": len(table)}


def _summarize_row(experiment: str, metric: str, row: dict, found: dict[str, Row]) -> dict:
    this, baseline = found[row["folder"]], found[row["baseline"]]
    labels, predictions = (this.predictions[column].to_numpy() for column in ("label", "prediction"))
    low, high = quality.score_interval(metric, labels, predictions)
    p50, p90, p99 = np.percentile(this.latencies_ms(), [50, 90, 99])
    compression = this.ratio_to_partner() if row["folder"] != row["same_runtime"] else 1.0
    runtime = found[row["same_runtime"]].ratio_to_partner()
    measured = this.measurement
    return {
        "experiment": experiment,
        "variant": row["variant"],
        "seed": row["seed"],
        "device": row["device"],
        "runtime": measured["device"]["runtime"],
        "metric": metric,
        "score": this.score(metric),
        "score_ci_low": low,
        "score_ci_high": high,
        "retained": this.score(metric) / baseline.score(metric),
        "agreement": float(np.mean(predictions == baseline.predictions["prediction"].to_numpy())),
        "latency_ms_p50": p50,
        "latency_ms_p90": p90,
        "latency_ms_p99": p99,
        "speedup": compression * runtime,
        "throughput_per_s": measured["sentences"] / measured["predict_seconds"],
        "memory_mb": measured["memory_mb"],
        "size_mb": measured["size_mb"],
        "parameters": measured["parameters"],
        "nonzero_parameters": measured["parameters"] - measured["zeros"],
        "training_seconds": sum(provenance.read_facts(model)["training_seconds"] for model in row["trained"]),
        "speedup_compression": compression,
        "speedup_runtime": runtime,
        "foreign_cpu_share": measured["foreign_cpu_share"],
    }
