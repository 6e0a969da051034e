"""The runtimes that execute an artifact, and the examples that they get."""
