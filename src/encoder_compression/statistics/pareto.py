"""Which rows no other row beats."""

import numpy as np


def pareto_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the indices of the points that no other point beats in both, by rising cost: cheapest first."""
    order = np.lexsort((-score, cost))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], score[order][:-1]]))
    return order[score[order] > best_before]
