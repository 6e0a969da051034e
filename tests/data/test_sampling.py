"""Which of many rows stand for all of them."""

import numpy as np
import pytest

from encoder_compression.data.sampling import spread


@pytest.mark.parametrize(
    ("count", "total", "places"),
    [(3, 11, [0, 5, 10]), (4, 11, [0, 3, 6, 10]), (1, 7, [0]), (7, 7, [0, 1, 2, 3, 4, 5, 6]), (9, 3, [0, 1, 2]), (4, 0, [])],
)
def test_rows_are_spread_from_the_first_to_the_last(count, total, places):
    assert spread(count, total).tolist() == places


def test_no_row_is_taken_twice_and_gaps_differ_by_a_row_at_most():
    for total in range(2, 60):
        for count in range(2, total + 1):
            gaps = np.diff(spread(count, total))
            assert len(gaps) == count - 1
            assert gaps.sum() == total - 1
            assert 1 <= gaps.min() <= gaps.max() <= gaps.min() + 1
