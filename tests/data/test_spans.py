"""Spans: the best one of all windows, never in the question, never too long; and the odds of no answer."""

import json

import numpy as np
import pytest

from encoder_compression.data.tasks import spans

RANDOM = np.random.default_rng(0)
CONTEXT = "one two three four five six seven eight nine ten"


def brute_force(logits, first, tokens, longest) -> tuple[float, int, int]:
    every = [
        (float(logits[0, first + start]) + float(logits[1, first + end]), start, end)
        for start in range(tokens)
        for end in range(start, min(start + longest, tokens))
    ]
    return max(every, key=lambda span: span[0])


def window(example: int, logits: np.ndarray, words: range, *, context_first: int = 3) -> dict:
    """Return a window whose context tokens are the ``words`` of CONTEXT."""
    starts = np.array([0, 4, 8, 14, 19, 24, 28, 34, 40, 45])
    ends = np.array([3, 7, 13, 18, 23, 27, 33, 39, 44, 48])
    part = slice(words.start, words.stop)
    row = {"example": example, "context_first": context_first, "token_starts": starts[part], "token_ends": ends[part]}
    return row | {"logits": logits}


def decode(*rows: dict, contexts=None, longest=30) -> dict:
    examples = 1 + max(row["example"] for row in rows)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return spans.decode(columns, contexts or [CONTEXT] * examples, longest=longest)


def peaked(length: int, *, start: int, end: int, height: float = 5.0) -> np.ndarray:
    logits = np.zeros((2, length), dtype=np.float32)
    logits[0, start] = logits[1, end] = height
    return logits


@pytest.mark.parametrize("tokens", [1, 2, 7, 40])
@pytest.mark.parametrize("longest", [1, 3, 30])
def test_the_best_span_is_that_of_a_search_over_all(tokens, longest):
    for _ in range(50):
        logits = RANDOM.normal(size=(2, 50)).astype(np.float32)
        assert spans.best_span(logits, context_first=5, tokens=tokens, longest=longest) == brute_force(logits, 5, tokens, longest)


def test_of_equal_spans_the_first_and_shortest_wins():
    assert spans.best_span(np.zeros((2, 9)), context_first=2, tokens=5, longest=3) == (0.0, 0, 0)


def test_a_span_is_never_longer_than_the_limit():
    logits = peaked(40, start=5, end=35)
    assert spans.best_span(logits, context_first=3, tokens=37, longest=31)[1:] == (2, 32)
    score, first, last = spans.best_span(logits, context_first=3, tokens=37, longest=30)
    assert (score, last - first < 30) == (5.0, True)


def test_a_span_never_ends_before_it_starts():
    _, first, last = spans.best_span(peaked(20, start=12, end=6), context_first=3, tokens=15, longest=30)
    assert first <= last


def test_a_span_never_lies_in_the_question_or_the_padding():
    logits = RANDOM.normal(size=(2, 30))
    logits[:, :8] += 100
    logits[:, 20:] += 100
    _, first, last = spans.best_span(logits, context_first=8, tokens=12, longest=30)
    assert 0 <= first <= last < 12


def test_a_context_without_tokens_has_no_span():
    with pytest.raises(ValueError, match="no span"):
        spans.best_span(np.zeros((2, 4)), context_first=4, tokens=0, longest=30)


def test_half_precision_logits_are_added_without_rounding():
    logits = np.zeros((2, 6), dtype=np.float16)
    logits[0, 3], logits[1, 4] = 2048, 1  # their sum is no number of half precision
    assert spans.best_span(logits, context_first=2, tokens=4, longest=30)[0] == 2049


def test_a_padded_window_decodes_like_an_unpadded_one():
    logits = RANDOM.normal(size=(2, 14))
    padded = np.pad(logits, ((0, 0), (0, 20)), constant_values=50)
    assert decode(window(0, logits, range(10))) == decode(window(0, padded, range(10)))


def test_the_answer_is_the_contexts_own_text_under_the_span():
    assert decode(window(0, peaked(14, start=5, end=7), range(10)))["answer"] == ["three four five"]


def test_the_best_window_answers_whatever_the_order():
    low, high = window(0, peaked(9, start=3, end=4), range(6)), window(0, peaked(9, start=4, end=4, height=6), range(4, 10))
    assert decode(low, high)["answer"] == decode(high, low)["answer"] == ["six"]
    assert decode(low, high)["score"] == [12.0]


def test_the_null_score_is_the_smallest_of_the_windows():
    first, second = peaked(9, start=3, end=4), peaked(9, start=4, end=4)
    first[:, 0], second[:, 0] = (4, 3), (1, 1.5)
    assert decode(window(0, first, range(6)), window(0, second, range(4, 10)))["null_odds"] == [2.5 - 10]


def test_each_example_gets_its_own_answer_though_windows_are_mixed():
    rows = [window(example, peaked(9, start=3 + example, end=3 + example), range(6)) for example in (1, 0, 2)]
    assert decode(*rows)["answer"] == ["one", "two", "three"]


def test_a_window_without_context_counts_for_the_null_score_alone():
    empty, full = np.full((2, 4), 9.0), peaked(9, start=3, end=3)
    empty[:, 0] = -1
    found = decode(window(0, empty, range(0)), window(0, full, range(6)))
    assert found == {"answer": ["one"], "score": [10.0], "null_odds": [-12.0]}


def test_without_any_context_the_answer_is_empty_and_its_figures_are_json():
    found = decode(window(0, np.ones((2, 4)), range(0)), contexts=[""])
    assert found == {"answer": [""], "score": [2.0], "null_odds": [0.0]}
    json.dumps(found, allow_nan=False)
