"""A classifier of model2vec: the mean of token embeddings and a trained head, from text to label in one call."""

from pathlib import Path

from model2vec.inference import StaticModelPipeline


class Pipeline:
    """Runs the folder that model2vec saved."""

    read = None

    def __init__(self, artifact: Path, inputs: Path):
        self.pipeline = StaticModelPipeline.from_pretrained(artifact)
        self.files = [path for path in artifact.rglob("*") if path.is_file() and path.name != "README.md"]

    def classify(self, text: str) -> str:
        """Return the label."""
        return str(self.pipeline.predict([text])[0])


load = Pipeline
