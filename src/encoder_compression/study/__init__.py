"""What the options of an experiment mean: techniques, chains of steps, rows, paths. Imports no torch."""
