"""How good predictions are: scores and what else their logits tell, from scikit-learn, scipy and torchmetrics."""

import numpy as np
from scipy import special
from sklearn import metrics

SCORES = {
    "accuracy": metrics.accuracy_score,
    "f1": metrics.f1_score,
    "macro_f1": lambda labels, predictions: metrics.f1_score(labels, predictions, average="macro", zero_division=0),
    "matthews": metrics.matthews_corrcoef,
}


def score(metric: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the score of predicted classes [n] against labels [n], as a share and not in percent."""
    return float(SCORES[metric](labels, predictions))


def score_replicates(metric: str, labels: np.ndarray, predictions: np.ndarray, *, resamples: int = 1000) -> np.ndarray:
    """Return the score [resamples] on bootstrap resamples of the examples (Efron 1979).

    The resamples are the same for all predictions of a test split, so differences of replicates are paired.
    """
    chosen = np.random.default_rng(0).integers(0, len(labels), (resamples, len(labels)))
    if metric == "accuracy":
        return (labels == predictions)[chosen].mean(axis=1)
    return np.array([score(metric, labels[rows], predictions[rows]) for rows in chosen])


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of confidence for logits [n, classes] (Guo et al. 2017, eq. 3)."""
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = torch.tensor(special.softmax(logits, axis=1))
    return float(multiclass_calibration_error(probabilities, torch.tensor(labels), num_classes=logits.shape[1], n_bins=15))


def divergence(reference: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean KL divergence of the classes' probabilities from the reference's, in nats; both logits [n, classes]."""
    terms = special.rel_entr(special.softmax(reference, axis=1), special.softmax(logits, axis=1))
    return max(0.0, float(terms.sum(axis=1).mean()))  # equal logits may round to less


def recalls(labels: np.ndarray, predictions: np.ndarray, classes: int) -> list[float]:
    """Return per class the share of its examples that were found."""
    return [float(one) for one in metrics.recall_score(labels, predictions, labels=range(classes), average=None, zero_division=0)]
