"""Hyperparameter search: trials that several jobs take, and the choice."""
