"""Data sets: fetched, split, tokenized; the tasks that models learn."""
