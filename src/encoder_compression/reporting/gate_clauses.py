"""What a release gate asks of each row: figures with one-sided 95 % bounds, over test examples and training seeds."""

from collections.abc import Callable

import numpy as np

from encoder_compression.errors import UserError
from encoder_compression.reporting import details
from encoder_compression.reporting.comparison import means_of
from encoder_compression.reporting.rows import Row
from encoder_compression.reporting.summary import Table
from encoder_compression.statistics import quality, recall, shares
from encoder_compression.statistics.differences import Mean, Sample
from encoder_compression.statistics.intervals import ALPHA

Key = tuple[str, str]  # variant, device
Figures = dict[Key, dict]  # "value", "low", "high", and what else the clause tells of a row
UNKNOWN = {"value": None, "low": None, "high": None}


def metric(table: Table, options: dict) -> Figures:
    """Return the score, with the bounds of a share where it is one and else with those that the budget has."""
    groups, name = _saved(table), table.metric
    if name == table.task.RIGHT.replace(" ", "_"):
        return _of_shares({key: [row.right for row in rows] for key, rows in groups.items()}, groups)
    scores = {key: ([row.score(name) for row in rows], [row.replicates(name) for row in rows]) for key, rows in groups.items()}
    samples = {key: _sample(*scores[key], rows) for key, rows in groups.items()}
    return {key: _bounded(mean.mean, *mean.interval(2 * ALPHA)) for key, mean in means_of(samples).items()}


def recall_at_rate(table: Table, options: dict) -> Figures:
    """Return the recall of a class where validation chose the threshold, and the false-positive rate that came of it on test.

    UserError where a measurement has no threshold for this class and rate.
    """
    place = recall.place_of(str(options["label"]), table.description)
    groups = _saved(table)
    thresholds = {key: {row: _threshold(row, options) for row in rows} for key, rows in groups.items()}
    positive = next(iter(table.saved_rows.values())).labels == place
    if not positive.any() or None in [each for by_row in thresholds.values() for each in by_row.values()]:
        return dict.fromkeys(groups, UNKNOWN)
    taken = {key: [recall.log_odds(row.logits, place) > thresholds[key][row] for row in rows] for key, rows in groups.items()}
    figures = _of_shares({key: [each[positive] for each in by_seed] for key, by_seed in taken.items()}, groups, positive)
    return {key: figures[key] | _operating_point(taken[key], positive, list(thresholds[key].values())) for key in groups}


def worst_slice(table: Table, options: dict) -> Figures:
    """Return the share of right examples in the slice where it is least, of those with enough examples.

    Each slice is above its bound, so all are above the least of these bounds (an intersection-union test; Berger 1982). That some slice
    is below its bound is a claim about the worst of many, so the upper bounds share the 5 % (Bonferroni).
    """
    groups = _saved(table)
    (baseline, *_) = table.saved(table.rows, "baseline")
    parts = [part for part in details.parts(baseline, table.description) if part[2].sum() >= options["examples"]]
    of_parts = [
        _of_shares({key: [row.right[inside] for row in rows] for key, rows in groups.items()}, groups, inside, ALPHA / len(parts))
        for *_, inside in parts
    ]
    return {key: _worst([figures[key] for figures in of_parts], parts) if parts else UNKNOWN for key in groups}


def calibration_error(table: Table, options: dict) -> Figures:
    """Return the expected calibration error. By chance it is above 0, so its lower bound leaves out what chance may have added."""
    groups = _saved(table)
    errors = {key: [quality.calibration_error(row.logits, row.labels) for row in rows] for key, rows in groups.items()}
    resampled = {key: [quality.calibration_replicates(row.logits, row.labels) for row in rows] for key, rows in groups.items()}
    samples = {key: _sample(errors[key], [each for each, _ in resampled[key]], rows) for key, rows in groups.items()}
    moved = {key: np.mean([bins for _, bins in by_seed], axis=0) for key, by_seed in resampled.items()}
    return {key: _calibrated(mean, moved[key]) for key, mean in means_of(samples).items()}


def agreement(table: Table, options: dict) -> Figures:
    """Return the share of examples with the baseline's prediction; nothing of the baseline itself."""
    compared = {key: rows for key, rows in table.groups.items() if rows[0]["folder"] != rows[0]["baseline"]}
    groups = {key: table.saved(rows) for key, rows in compared.items()}
    pairs = {key: zip(groups[key], table.saved(rows, "baseline"), strict=True) for key, rows in compared.items()}
    return _of_shares({key: [row.predictions == baseline.predictions for row, baseline in each] for key, each in pairs.items()}, groups)


CLAUSES: dict[str, Callable[[Table, dict], Figures]] = {
    "metric": metric,
    "recall": recall_at_rate,
    "worst_slice": worst_slice,
    "calibration_error": calibration_error,
    "agreement": agreement,
}


def _saved(table: Table) -> dict[Key, list[Row]]:
    return {key: table.saved(rows) for key, rows in table.groups.items()}


def _of_shares(
    counted: dict[Key, list[np.ndarray]], groups: dict[Key, list[Row]], inside: np.ndarray | None = None, upper_alpha: float = ALPHA
) -> Figures:
    """Return the share of examples that are ``counted``, by row and seed [examples]; ``inside`` says which of all examples these are."""
    samples = {key: _share(by_seed, groups[key], inside) for key, by_seed in counted.items()}
    return {
        key: _bounded(mean.mean, shares.bounds(mean, samples[key].examples)[0], shares.bounds(mean, samples[key].examples, upper_alpha)[1])
        for key, mean in means_of(samples).items()
    }


def _share(by_seed: list[np.ndarray], rows: list[Row], inside: np.ndarray | None) -> shares.Share:
    groups = rows[0].groups if rows[0].groups is None or inside is None else rows[0].groups[inside]
    credits = [counted.astype(float) for counted in by_seed]
    replicates = [quality.credit_replicates(each, groups=groups) for each in credits]
    return shares.Share(np.array([each.mean() for each in credits]), np.array(replicates), len(credits[0]))


def _sample(values: list[float], replicates: list[np.ndarray], rows: list[Row]) -> Sample:
    return Sample(np.array(values), np.array(replicates), rows[0].units)


def _bounded(value: float, low: float, high: float) -> dict:
    """Return value and bounds, none of which is beyond what a score can be."""
    return {"value": value, "low": max(-1.0, low), "high": min(1.0, high)}


def _calibrated(mean: Mean, moved: np.ndarray) -> dict:
    """Return the bounds of an error of calibration whose bins ``moved`` [resamples] by chance, the lower one at least 0."""
    low, high = mean.interval(2 * ALPHA)
    return _bounded(mean.mean, max(0.0, min(low, mean.mean - float(np.quantile(moved, 1 - ALPHA)))), high)


def _threshold(row: Row, options: dict) -> float | None:
    """Return the log-odds that validation chose for a row."""
    chosen = row.measurement.get("recall_threshold", {})
    asked = {"label": str(options["label"]), "false_positive_rate": options["false_positive_rate"]}
    if {name: chosen.get(name) for name in asked} != asked:
        remedy = "measure it anew: snakemake with --forcerun measure"
        raise UserError(f"{row.folder}/measurement.json has no threshold for gate.recall of class '{asked['label']}'; {remedy}")
    return chosen["log_odds"]


def _operating_point(taken: list[np.ndarray], positive: np.ndarray, thresholds: list[float]) -> dict:
    """Return the threshold of each seed, and the share of the negatives on test that are taken for positive."""
    rate = float(np.mean([each[~positive].mean() for each in taken])) if (~positive).any() else None
    return {"log_odds": thresholds, "test_false_positive_rate": rate}


def _worst(figures: list[dict], parts: list[tuple[str, str, np.ndarray]]) -> dict:
    """Return the least value with its slice, and the least bounds."""
    place = min(range(len(parts)), key=lambda index: figures[index]["value"])
    kind, name, inside = parts[place]
    low, high = (min(part[bound] for part in figures) for bound in ("low", "high"))
    return {"value": figures[place]["value"], "low": low, "high": high, "slice": f"{kind}: {name}", "examples": int(inside.sum())}
