"""Scores of predictions, intervals and tests."""
