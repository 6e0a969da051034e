"""Measurements to tables, verdicts, plots, the report and model cards."""
