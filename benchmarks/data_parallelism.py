"""How much faster two processes with a core each train than one: tokens per second and the efficiency, their ratio over two.

    make parallelism            (after make run, which fetches the encoder and the sentences)

Both train the encoder of the default study for as many steps on the same batches, in turns; two processes meet by gloo on processors and by
NCCL on GPUs. Validation and checkpoints are not counted.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import pandas as pd

from encoder_compression.run import environment
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.distributed import launch
from encoder_compression.training.train import Goal

TRAINING = {"learning_rate": 5e-5, "accumulation": 1, "warmup": 0.1, "weight_decay": 0.01, "patience": 1, "precision": "auto"}


def main() -> None:
    """Print one JSON object: tokens per second of one and of two processes in each round, and the efficiency by their medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", type=Path, default=Path("results/reviews"), help="folder with base/ and dataset/")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    environment.apply_process_settings()
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for processes in found:
            found[processes].append(round(_tokens_per_second(processes, arguments)))
    one, two = (statistics.median(found[processes]) for processes in (1, 2))
    told = {"tokens_per_second": found, "efficiency": round(two / one / 2, 3)}
    print(json.dumps(told | vars(arguments) | environment.hardware(), indent=2, default=str))


def _tokens_per_second(processes: int, arguments: argparse.Namespace) -> float:
    """Return the median over the intervals between log entries, without the first, in which libraries start."""
    with tempfile.TemporaryDirectory() as folder:
        curve = Path(folder) / "training.csv"
        launch(
            finetune,
            nodes=1,
            processes=processes,
            threads=processes,
            encoder=str(arguments.experiment / "base"),
            goal=Goal(dataset=arguments.experiment / "dataset", metric="accuracy", seed=1, name="benchmark"),
            options={"training": TRAINING | {"steps": arguments.steps, "batch_size": arguments.batch_size}},
            model=str(Path(folder) / "model"),
            curve=str(curve),
        )
        return pd.read_csv(curve)["tokens_per_second"].dropna()[1:].median()


if __name__ == "__main__":
    main()
