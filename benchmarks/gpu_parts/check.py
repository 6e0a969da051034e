"""What the parts of a check share: where they work, how large they are, what their runs train and read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.training.train import Goal
from gpu_parts.children import Children
from gpu_parts.sizes import Size

TRAINING = {"learning_rate": 3e-3, "batch_size": 8, "accumulation": 1, "warmup": 0.1, "weight_decay": 0.01, "patience": 9}
EPOCHS = 8  # in which the tiny encoder learns the tiny data set by heart


@dataclass(frozen=True)
class Check:
    """One check: its folder, the hardware that is checked ("cuda" or "cpu"), its size, and what starts its runs."""

    folder: Path
    hardware: str
    size: Size
    children: Children

    def run(self, function: Callable[..., dict], *, limit: float, hardware: str = "", **arguments) -> dict:
        """Call a function in a process of its own, on the hardware that is checked or on the one that is named."""
        return self.children.run(function, hardware=hardware or self.hardware, limit=limit * self.size.slowness, **arguments)

    @property
    def encoder(self) -> Path:
        """The encoder of two layers."""
        return self.folder / "encoder"

    @property
    def measured_encoder(self) -> Path:
        """The encoder of the model that rows measure."""
        return self.folder / "measured_encoder"

    @property
    def dataset(self) -> Path:
        """The tiny data set, prepared."""
        return self.folder / "dataset"

    @property
    def reference(self) -> Path:
        """The folder of the training on the CPU in float32, which made the model that later parts read."""
        return self.folder / "reference"

    def call(self, name: str, *, precision: str) -> dict:
        """Return the arguments of `finetune` for a training of the tiny encoder, in a folder of that name."""
        return {
            "encoder": str(self.encoder),
            "goal": Goal(dataset=self.dataset, metric="accuracy", seed=3, name=name),
            "options": {"training": TRAINING | {"epochs": EPOCHS, "precision": precision}},
            "model": str(self.folder / name / "model"),
            "curve": str(self.folder / name / "training.csv"),
        }
