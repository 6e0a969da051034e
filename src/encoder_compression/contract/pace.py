"""How fast this machine trains the encoder, as a few steps tell: what trainings of a search take, and whether that of the teacher fits."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from pyarrow import parquet

from encoder_compression.contract.screened import SEED
from encoder_compression.study.chain import Chain

PACE, STEPS = "pace", 12  # the step that trains for it, and for how many optimizer steps
FORWARD = 1 / 3  # of a training step's time: the backward pass has two matrix products for each of the forward pass
SHARE = 0.4  # of a contract's minutes that its teacher may take
LEAST = 10  # seconds that it takes all the same: without a teacher there is nothing


@dataclass(frozen=True)
class Pace:
    """Tokens a second in training the whole encoder, and the tokens of train and of validation."""

    tokens_per_second: float
    train: int
    validation: int

    def seconds(self, epochs: float, share: float = 1.0) -> float:
        """Return what so many epochs of a model take that has this share of the encoder's layers; each ends with a validation."""
        return epochs * share * (self.train + FORWARD * self.validation) / self.tokens_per_second


def training(whole: dict) -> dict:
    """Return the training of the step that tells the pace, for that of a teacher."""
    return {name: value for name, value in whole.items() if name != "epochs"} | {"steps": STEPS}


def target(experiment: str) -> str:
    """Return the folder of what trains for the pace."""
    return Chain(PACE).folder(experiment, SEED, "model")


def read(experiment: str) -> Pace:
    """Return the pace of an experiment whose `target` is made."""
    with (Path(target(experiment)).parent / "training.csv").open(encoding="utf-8", newline="") as file:
        rates = [float(row["tokens_per_second"]) for row in csv.DictReader(file) if row["tokens_per_second"]]
    dataset = Path("results") / experiment / "dataset"
    return Pace(rates[-1], _tokens(dataset / "train.parquet"), _tokens(dataset / "validation.parquet"))


def _tokens(split: Path) -> int:
    ids = parquet.read_table(split, columns=["input_ids"])["input_ids"]
    return int(pc.sum(pc.list_value_length(ids)).as_py())


def fitting(whole: dict, pace: Pace, seconds: float) -> dict:
    """Return a teacher's ``whole`` training where that takes no more than its `SHARE` of the seconds, else one that ends by then."""
    if pace.seconds(whole["epochs"]) <= SHARE * seconds:
        return whole
    return {name: value for name, value in whole.items() if name != "epochs"} | {"seconds": max(LEAST, round(SHARE * seconds))}
