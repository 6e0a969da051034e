"""A delivery of this workflow, by its own `predict.py`."""

from importlib import util
from pathlib import Path


class Delivery:
    """Runs a delivery's folder."""

    def __init__(self, artifact: Path, inputs: Path):
        spec = util.spec_from_file_location("predict", artifact / "predict.py")
        predict = util.module_from_spec(spec)
        spec.loader.exec_module(predict)
        settings = predict.read_settings(artifact)
        self.task, self.model = predict.load_task(artifact, settings), predict.load_model(artifact, settings)
        self.files = [artifact / name for name in settings["files"]] + [artifact / "predict.py", artifact / "settings.json"]

    def read(self, text: str) -> tuple:
        """Return what the model takes, and what the answer needs beside its logits."""
        return self.task.read(text)

    def classify(self, tokens: tuple) -> str:
        """Return the label."""
        batch, rest = tokens
        return self.task.answer(self.model(batch), rest)["label"]


load = Delivery
