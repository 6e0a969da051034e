"""Exact match and F1 of answers, counted as the official scripts of SQuAD v1.1 and v2.0 count them.

v1.1: Rajpurkar et al. 2016, section 6.1; v2.0, which has questions without answer: Rajpurkar et al. 2018. They differ where
a text normalizes to nothing. Where ``unanswerable`` is asked for, it says whether the data set has questions without answer.
"""

import re
import string
import sys
from collections import Counter

import numpy as np

ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII's alone, as in the official scripts
ROUNDING = 1e-9  # far above the error of summing a million credits, far below the least difference of two


def normalize(text: str) -> str:
    """Return a text in lower case, without punctuation and English articles, and with single blanks between its words."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(NO_PUNCTUATION)).split())


def exact_match(prediction: str, answers: list[str], *, unanswerable: bool) -> float:
    """Return 1.0 if the prediction is one of the answers after normalization, else 0.0.

    Raises ValueError where there is no answer although the data set has no ``unanswerable`` questions.
    """
    return float(normalize(prediction) in _golden(answers, unanswerable))


def f1(prediction: str, answers: list[str], *, unanswerable: bool) -> float:
    """Return the largest F1, 0…1, of the prediction's words against those of one answer.

    Without a word in common it is 0, in v1.1 even for two texts that both normalize to nothing; in v2.0 it is 1 for them.
    Raises ValueError as `exact_match` does.
    """
    words = normalize(prediction).split()
    return max(_f1(words, answer.split(), unanswerable) for answer in _golden(answers, unanswerable))


def best_threshold(null_odds: np.ndarray, with_answer_credits: np.ndarray, without_answer_credits: np.ndarray) -> tuple[float, float]:
    """Return the threshold on ``null_odds`` with the largest sum of credits, and that sum; all three arrays are [n].

    A question earns its credit without an answer where its odds are above the threshold, else the one with its answer. The
    threshold lies in the middle between two neighbouring odds, so that questions of equal odds stay together; of equal sums
    the lowest wins. Where answering none or all is best, it is the least or the largest finite number, which JSON can hold.
    Odds must be finite.
    """
    odds = np.asarray(null_odds, dtype=np.float64)
    answered, unanswered = (np.asarray(credits, dtype=np.float64) for credits in (with_answer_credits, without_answer_credits))
    levels, level = np.unique(odds, return_inverse=True)
    gains = np.bincount(level, weights=answered - unanswered, minlength=len(levels))
    sums = np.concatenate([[0.0], np.cumsum(gains)])  # sums[k]: gained by answering the questions of the k lowest levels
    chosen = int(np.argmax(sums >= sums.max() - ROUNDING))
    threshold = _between(levels, chosen)
    return threshold, float(np.where(odds > threshold, unanswered, answered).sum())


def _between(levels: np.ndarray, count: int) -> float:
    """Return a number that exactly the ``count`` lowest of the rising ``levels`` do not exceed."""
    if count == 0:
        return -sys.float_info.max
    if count == len(levels):
        return sys.float_info.max
    low, high = float(levels[count - 1]), float(levels[count])
    middle = low / 2 + high / 2  # in halves, since their sum may overflow
    return middle if low <= middle < high else low  # next to each other, their middle is rounded to one of them


def _golden(answers: list[str], unanswerable: bool) -> list[str]:
    """Return the normalized answers that count: v2.0 leaves out the empty ones, and the lack of all is the empty answer."""
    golden = [normalize(answer) for answer in answers]
    if unanswerable:
        return [answer for answer in golden if answer] or [""]
    if not golden:
        raise ValueError("a question without answers in a data set said to have none of these")
    return golden


def _f1(predicted: list[str], golden: list[str], unanswerable: bool) -> float:
    if unanswerable and not (predicted and golden):
        return float(predicted == golden)
    common = (Counter(predicted) & Counter(golden)).total()
    return 2 * common / (len(predicted) + len(golden)) if common else 0.0
