"""A pipeline of scikit-learn, from text to label in one call."""

from pathlib import Path

import joblib


class Pipeline:
    """Runs the one `.joblib` file of a folder."""

    read = None

    def __init__(self, artifact: Path, inputs: Path):
        self.files = list(artifact.glob("*.joblib"))
        self.pipeline = joblib.load(self.files[0])

    def classify(self, text: str) -> str:
        """Return the label."""
        return str(self.pipeline.predict([text])[0])


load = Pipeline
