"""The options of a run, frozen when it starts: an edit of a YAML file changes no job that waits in a cluster's queue.

A job of a cluster reads the workflow again, perhaps hours later and on another machine. So a run writes its complete
options to a file that its jobs find by an environment variable.
"""

import hashlib
import os
from pathlib import Path

import yaml

VARIABLE = "ENCODER_COMPRESSION_OPTIONS"
FOLDER = Path(".snakemake/options")


def freeze(options: dict) -> dict:
    """Write down the options of this run for its jobs; returns what they will read."""
    os.environ[VARIABLE] = str(_write(options))
    return recall()


def recall() -> dict:
    """Return the options of the run that this process is a job of."""
    return yaml.safe_load(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))


def _write(options: dict) -> Path:
    """Write options to a file named by its content, so that runs side by side do not change each other's."""
    text = yaml.safe_dump(options, sort_keys=False)
    path = FOLDER.resolve() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path
