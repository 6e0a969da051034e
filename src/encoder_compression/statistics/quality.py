"""How good predictions are: scores, their bootstrap, and what else logits tell."""

import math
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy import special

from encoder_compression.data import tasks
from encoder_compression.errors import UserError

BINS = 15  # of confidence
OF_ERROR = 200  # resamples for a standard error, which is then known to 5 %


def score(task: ModuleType, metric: str, labels, predictions) -> float:
    """Return the score of predictions against labels, one per example: a share and not in percent."""
    if metric in task.CREDITS:
        return float(np.mean(task.CREDITS[metric](labels, predictions)))
    return float(task.SCORES[metric](labels, predictions))


def require_defined(metric: str, description: dict) -> None:
    """Raise UserError where the metric is none for a data set; ``description`` is dataset.json."""
    classes = description.get("labels", [])
    if metric == "f1" and len(classes) > 2:
        raise UserError(f"metric: f1 is that of the second of two classes, but the data set has {len(classes)}; take macro_f1")


def retained(score: float, baseline: float) -> float:
    """Return a score as a share of the baseline's; NaN where that is not above 0, since then there is nothing to retain."""
    return score / baseline if baseline > 0 else math.nan


def score_logits(dataset: Path, split: str, metric: str, logits: list) -> float:
    """Return the score of the logits of a split of a prepared data set, in its order; a threshold is the split's own best."""
    task = tasks.of_dataset(dataset)
    decoded = task.decode(dataset, split, logits)
    if task.is_tuned(tasks.describe(dataset)):
        decoded, _ = task.tune(decoded, decoded, metric)
    return score_decoded(task, metric, decoded)


def score_decoded(task: ModuleType, metric: str, decoded: dict) -> float:
    """Return the score of the columns "label" and "prediction", as a task's ``decode`` returns them."""
    return score(task, metric, *_columns(decoded))


def standard_error(task: ModuleType, metric: str, decoded: dict) -> float:
    """Return the standard error of `score_decoded` over examples, or over whole groups of them where there is a column "group".

    Of a mean of credits it is their standard deviation over the root of their number, of other scores that of bootstrap replicates.
    """
    labels, predictions = _columns(decoded)
    if metric in task.CREDITS and "group" not in decoded:
        credits = task.CREDITS[metric](labels, predictions)
        return float(np.std(credits, ddof=1) / math.sqrt(len(credits)))
    groups = np.array(decoded["group"]) if "group" in decoded else None
    return float(np.std(score_replicates(task, metric, labels, predictions, groups=groups, resamples=OF_ERROR), ddof=1))


def _columns(decoded: dict) -> tuple[np.ndarray | list, np.ndarray | list]:
    """Return labels and predictions, as arrays where they are numbers."""
    return tuple(
        decoded[name] if isinstance(decoded[name][0], (str, list)) else np.array(decoded[name]) for name in ("label", "prediction")
    )


def score_replicates(
    task: ModuleType, metric: str, labels: np.ndarray, predictions: np.ndarray, *, groups: np.ndarray | None = None, resamples: int = 1000
) -> np.ndarray:
    """Return the score [resamples] on bootstrap resamples of the examples (Efron 1979), or of whole ``groups`` of them.

    Examples of one group, such as questions on one article, are alike, so that they would understate the interval if each
    were drawn alone. The resamples are the same for all predictions of a test split: differences of replicates are paired.
    """
    if metric in task.CREDITS:
        return credit_replicates(task.CREDITS[metric](labels, predictions), groups=groups, resamples=resamples)
    return np.array([score(task, metric, labels[rows], predictions[rows]) for rows in _resampled(len(labels), resamples)])


def credit_replicates(credits: np.ndarray, *, groups: np.ndarray | None = None, resamples: int = 1000) -> np.ndarray:
    """Return the mean credit [resamples] on the bootstrap resamples of `score_replicates`; ``credits`` [n] lie between 0 and 1."""
    if groups is not None:
        return _means_of_groups(credits, groups, _resampled(len(np.unique(groups)), resamples))
    return credits[_resampled(len(credits), resamples)].mean(axis=1)


def _resampled(units: int, resamples: int) -> np.ndarray:
    """Return which units are drawn [resamples, units], the same at each call."""
    return np.random.default_rng(0).integers(0, units, (resamples, units))


def _means_of_groups(credits: np.ndarray, groups: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean credit [resamples] of all examples of the ``chosen`` groups [resamples, groups]."""
    _, member = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(member, weights=credits), np.bincount(member)
    return sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of confidence for logits [n, classes] (Guo et al. 2017, eq. 3)."""
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = torch.tensor(special.softmax(logits, axis=1))
    return float(multiclass_calibration_error(probabilities, torch.tensor(labels), num_classes=logits.shape[1], n_bins=BINS))


def calibration_replicates(logits: np.ndarray, labels: np.ndarray, resamples: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return the `calibration_error` [resamples] on the bootstrap resamples of `score_replicates`, and how far bins moved [resamples].

    The latter is the sum over the bins of how far right - confidence is from that of all examples. As |a + b| <= |a| + |b|, no more than
    this is what chance adds to the error: a calibrated model has one above 0, too.
    """
    probabilities = special.softmax(logits, axis=1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    gaps = np.zeros((len(labels), BINS + 2))
    gaps[np.arange(len(labels)), np.digitize(confidence, np.linspace(0, 1, BINS + 1))] = (right - confidence) / len(labels)
    resampled = np.array([np.bincount(rows, minlength=len(labels)) @ gaps for rows in _resampled(len(labels), resamples)])
    return np.abs(resampled).sum(axis=1), np.abs(resampled - gaps.sum(axis=0)).sum(axis=1)


def divergence(reference: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean KL divergence of the classes' probabilities from the reference's, in nats; both logits [n, classes]."""
    terms = special.rel_entr(special.softmax(reference, axis=1), special.softmax(logits, axis=1))
    return max(0.0, float(terms.sum(axis=1).mean()))  # equal logits may round to less


def recalls(labels: np.ndarray, predictions: np.ndarray, classes: int) -> list[float]:
    """Return per class the share of its examples that were found; NaN for a class without examples."""
    from sklearn.metrics import recall_score

    return [float(recall) for recall in recall_score(labels, predictions, labels=range(classes), average=None, zero_division=np.nan)]
