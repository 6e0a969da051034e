"""The parts of the GPU check: each is called with a `Check` and returns facts."""
