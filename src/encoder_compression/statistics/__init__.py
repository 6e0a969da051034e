"""Scores of predictions, intervals and tests."""

LEVEL = 0.95  # of every interval
ALPHA = 1 - LEVEL
